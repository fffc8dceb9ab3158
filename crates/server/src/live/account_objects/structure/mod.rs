//! Declarative descriptions of the structures of objects (live-connect#object-schemas).
//!
//! "Structure" is the reference's word for a member of a JSON object. One description per structure
//! serves the validation of requests ([`input`]), the responses ([`output`]) and the tests.

pub(super) mod input;
pub(super) mod output;

/// A structure: a row of the reference's table of an object.
#[derive(Clone, Copy, Debug)]
pub(in crate::live) struct Structure {
    /// The name of the JSON member.
    pub name: &'static str,
    /// The type of the value.
    pub shape: StructureType,
    /// Whether requests may set it (`RW` in the reference).
    pub is_writable: bool,
    /// Whether a request that creates the object must set it.
    pub is_required: bool,
    /// Whether responses omit it.
    pub is_hidden: bool,
    /// Whether the server computes it, so that not even a fixture may set it.
    pub is_computed: bool,
    /// The maximum length of a text.
    pub limit: Option<TextLimit>,
    /// The callers that see it.
    pub visibility: Visibility,
}

/// The type of a structure's value.
#[derive(Clone, Copy, Debug)]
pub(in crate::live) enum StructureType {
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    Flag,
    /// A whole number in this range, including the ends.
    Number(i64, i64),
    /// A time in ISO 8601 format.
    Time,
    /// An array of texts.
    Texts,
    /// An object with these structures.
    Object(&'static [Structure]),
    /// An array of objects with these structures.
    Objects(&'static [Structure]),
}

/// The maximum length of a text, in characters.
#[derive(Clone, Copy, Debug)]
pub(in crate::live) enum TextLimit {
    /// A longer text is an error.
    Reject(usize),
    /// A longer text is truncated.
    Truncate(usize),
}

/// The callers that see a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum Visibility {
    /// All callers, also without a token.
    Public,
    /// Callers with a token of the owner.
    Token,
    /// Callers with a token of the owner that has this scope.
    Scope(&'static str),
}

impl Structure {
    /// Creates a read-only structure that all tokens of the owner see.
    pub(super) const fn read_only(name: &'static str, shape: StructureType) -> Self {
        Self {
            name,
            shape,
            is_writable: false,
            is_required: false,
            is_hidden: false,
            is_computed: false,
            limit: None,
            visibility: Visibility::Token,
        }
    }

    /// Creates a structure that requests may set.
    pub(super) const fn writable(name: &'static str, shape: StructureType) -> Self {
        Self { is_writable: true, ..Self::read_only(name, shape) }
    }

    /// Requires the structure in requests that create the object.
    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Omits the structure from responses.
    pub(super) const fn hidden(self) -> Self {
        Self { is_hidden: true, ..self }
    }

    /// Creates a structure that the server computes.
    pub(super) const fn computed(name: &'static str, shape: StructureType) -> Self {
        Self { is_computed: true, ..Self::read_only(name, shape) }
    }

    /// Rejects texts with more characters.
    pub(super) const fn at_most(self, characters: usize) -> Self {
        Self { limit: Some(TextLimit::Reject(characters)), ..self }
    }

    /// Truncates texts with more characters.
    pub(super) const fn truncated(self, characters: usize) -> Self {
        Self { limit: Some(TextLimit::Truncate(characters)), ..self }
    }

    /// Shows the structure to callers without a token.
    pub(super) const fn public(self) -> Self {
        Self { visibility: Visibility::Public, ..self }
    }

    /// Shows the structure only to tokens with a scope.
    pub(super) const fn scope(self, scope: &'static str) -> Self {
        Self { visibility: Visibility::Scope(scope), ..self }
    }
}

/// The user that an object belongs to.
pub(super) const FROM: &[Structure] = &[
    Structure::read_only("name", StructureType::Text),
    Structure::read_only("id", StructureType::Text),
];
