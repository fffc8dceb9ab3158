//! The JSON of an object: its structures in the reference's order, as far as the caller may see them.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Map, Value};

use super::{Structure, StructureType, Visibility};
use crate::live::scopes::Scopes;

/// The caller that sees an object.
#[derive(Clone, Copy, Debug)]
pub(in crate::live) enum Viewer<'a> {
    /// A caller that is not known to be the owner.
    Public,
    /// The owner, with a token that has these scopes.
    Owner(&'a Scopes),
}

impl Viewer<'_> {
    /// Returns whether a member is part of the response to this viewer.
    fn sees(self, structure: &Structure) -> bool {
        match (self, structure.visibility) {
            _ if structure.is_hidden => false,
            (_, Visibility::Public) | (Self::Owner(_), Visibility::Token) => true,
            (Self::Owner(scopes), Visibility::Scope(scope)) => scopes.has(scope),
            (Self::Public, _) => false,
        }
    }
}

/// An object as a caller sees it.
#[derive(Debug)]
pub(in crate::live) enum ShownObject {
    Value(Value),
    Object(Vec<(&'static str, ShownObject)>),
    Objects(Vec<ShownObject>),
}

impl ShownObject {
    /// Selects the visible structures of an object. A structure without a value is null, or an empty
    /// array.
    pub(in crate::live) fn new(
        structures: &[Structure],
        values: &Map<String, Value>,
        viewer: Viewer<'_>,
    ) -> Self {
        let visible = structures.iter().filter(|structure| viewer.sees(structure));
        let members = visible.filter_map(|structure| {
            let value = values.get(structure.name);
            Some((structure.name, Self::member(structure.shape, value, viewer)?))
        });
        Self::Object(members.collect())
    }

    /// Returns the value of a structure; `None` for an object of which nothing is visible.
    fn member(shape: StructureType, value: Option<&Value>, viewer: Viewer<'_>) -> Option<Self> {
        let object = |structures, value: Option<&Value>| match value.and_then(Value::as_object) {
            Some(values) => Self::new(structures, values, viewer),
            None => Self::new(structures, &Map::new(), viewer),
        };
        Some(match shape {
            StructureType::Object(structures) => object(structures, value).non_empty()?,
            StructureType::Objects(structures) => {
                // Without any visible structure, not even the number of the objects is shown.
                object(structures, None).non_empty()?;
                let values = value.and_then(Value::as_array).into_iter().flatten();
                Self::Objects(values.map(|value| object(structures, Some(value))).collect())
            }
            StructureType::Texts => {
                Self::Value(value.cloned().unwrap_or_else(|| Value::Array(Vec::new())))
            }
            StructureType::Text
            | StructureType::Choice(_)
            | StructureType::Flag
            | StructureType::Number(..)
            | StructureType::Time => Self::Value(value.cloned().unwrap_or_default()),
        })
    }

    /// Returns `None` for an object without members.
    fn non_empty(self) -> Option<Self> {
        match &self {
            Self::Object(members) if members.is_empty() => None,
            _ => Some(self),
        }
    }
}

impl Serialize for ShownObject {
    /// Serializes the members in the order of the reference.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::Objects(objects) => {
                let mut list = serializer.serialize_seq(Some(objects.len()))?;
                for object in objects {
                    list.serialize_element(object)?;
                }
                list.end()
            }
        }
    }
}
