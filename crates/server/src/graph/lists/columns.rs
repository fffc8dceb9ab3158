//! The columns of a document library: those that every library has, and the ones that clients add.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    graph::{
        contract::Payload,
        drive_context::DriveContext,
        error::{Error, Result},
        ids::derive_guid,
        response,
        tenant::{EntityType, page},
    },
    time,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery},
};

/// Maximum number of columns that clients can add to a library. Inferred.
const MAX_COLUMNS: usize = 200;

/// The type of columns.
const DEFINITION: EntityType = EntityType {
    name: "columnDefinition",
    context: "columns",
    properties: &[
        "boolean",
        "choice",
        "columnGroup",
        "dateTime",
        "description",
        "displayName",
        "hidden",
        "id",
        "name",
        "number",
        "personOrGroup",
        "readOnly",
        "required",
        "text",
    ],
    unimplemented: &["calculated", "currency", "defaultValue", "lookup", "term", "validation"],
    is_directory_object: false,
    page_size: (200, 1000),
};

/// The columns of every library: name, displayed name, type, whether it is read-only.
const BUILT_IN: [(&str, &str, ColumnKind, bool); 11] = [
    ("Title", "Title", ColumnKind::Text, false),
    ("FileLeafRef", "Name", ColumnKind::Text, false),
    ("LinkFilename", "Name", ColumnKind::Text, true),
    ("ContentType", "Content Type", ColumnKind::Text, true),
    ("Created", "Created", ColumnKind::DateTime, true),
    ("Modified", "Modified", ColumnKind::DateTime, true),
    ("Author", "Created By", ColumnKind::Person, true),
    ("Editor", "Modified By", ColumnKind::Person, true),
    ("FileSizeDisplay", "File Size", ColumnKind::Text, true),
    ("DocIcon", "Type", ColumnKind::Text, true),
    ("_UIVersionString", "Version", ColumnKind::Text, true),
];

/// The type of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Text,
    Number,
    Boolean,
    DateTime,
    Person,
    /// One of these texts.
    Choice(Vec<String>),
}

/// A column of a library.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    display_name: String,
    description: String,
    pub(super) kind: ColumnKind,
    pub(super) is_read_only: bool,
    /// Whether every library has the column.
    is_built_in: bool,
}

impl ColumnKind {
    /// Returns whether the column can have a value other than null.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::DateTime => value.as_str().is_some_and(|text| time::parse(text).is_some()),
            Self::Person => false,
            Self::Choice(choices) => {
                value.as_str().is_some_and(|text| choices.iter().any(|choice| choice == text))
            }
        }
    }

    /// Returns the name of the facet in a column's definition, and its value.
    fn facet(&self) -> (&'static str, Value) {
        match self {
            Self::Text => ("text", json!({"allowMultipleLines": false, "maxLength": 255})),
            Self::Number => ("number", json!({"decimalPlaces": "automatic"})),
            Self::Boolean => ("boolean", json!({})),
            Self::DateTime => ("dateTime", json!({"format": "dateTime"})),
            Self::Person => ("personOrGroup", json!({"allowMultipleSelection": false})),
            Self::Choice(choices) => {
                ("choice", json!({"choices": choices, "displayAs": "dropDownMenu"}))
            }
        }
    }

    /// Parses the facet of a definition; `None` for another facet.
    fn parse(facet: &str, value: &Value) -> Option<Self> {
        let choices = || {
            let texts = value["choices"].as_array()?.iter();
            texts.map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        match facet {
            "text" => Some(Self::Text),
            "number" => Some(Self::Number),
            "boolean" => Some(Self::Boolean),
            "dateTime" => Some(Self::DateTime),
            "choice" => choices().filter(|choices| !choices.is_empty()).map(Self::Choice),
            _ => None,
        }
    }
}

impl Column {
    /// Returns the columns that every library has.
    fn built_in() -> impl Iterator<Item = Self> {
        BUILT_IN.into_iter().map(|(name, display_name, kind, is_read_only)| Self {
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            description: String::new(),
            kind,
            is_read_only,
            is_built_in: true,
        })
    }

    /// Returns a column from its stored definition; `None` if the definition is damaged.
    fn from_object(object: &AccountObject) -> Option<Self> {
        let text = |name: &str| object.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let facets = ["text", "number", "boolean", "dateTime", "choice"].into_iter();
        let mut kinds =
            facets.filter_map(|facet| ColumnKind::parse(facet, object.fields.get(facet)?));
        Some(Self {
            name: object.id.clone(),
            display_name: text("displayName")?,
            description: text("description").unwrap_or_default(),
            kind: kinds.next()?,
            is_read_only: false,
            is_built_in: false,
        })
    }

    /// Returns the id of the column, a GUID.
    fn id(&self) -> String {
        let bytes = self.name.bytes();
        // FNV-1a: the id only has to differ from those of the other columns of the library.
        let number = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        derive_guid(number, 6)
    }

    /// Returns the definition of the column.
    fn describe(&self) -> Value {
        let (facet, value) = self.kind.facet();
        json!({
            "id": self.id(),
            "name": self.name,
            "displayName": self.display_name,
            "description": self.description,
            "columnGroup": if self.is_built_in { "_Hidden" } else { "Custom Columns" },
            "hidden": false,
            "readOnly": self.is_read_only,
            "required": self.name == "FileLeafRef",
            facet: value,
        })
    }
}

/// Returns all columns of the library.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn columns(context: &DriveContext<'_>) -> Result<Vec<Column>> {
    let query = AccountObjectQuery::all(AccountObjectKind::Column);
    let added = context.tree().account_objects(context.drive(), query).await?;
    Ok(Column::built_in().chain(added.iter().filter_map(Column::from_object)).collect())
}

/// `GET columns`: returns the columns of the library.
///
/// # Errors
/// Those of [`page`]; 500 if the storage fails.
pub(super) async fn list(context: &DriveContext<'_>) -> Result<Response> {
    let all = columns(context).await?;
    page(context.request, &DEFINITION, all.iter().map(Column::describe).collect())
}

/// `GET columns/ID`: returns the column with an id or name.
///
/// # Errors
/// 404 if the library does not have it, 400 or 501 for a selected property that it cannot have, 500
/// if the storage fails.
pub(super) async fn get(context: &DriveContext<'_>, id: &str) -> Result<Response> {
    DEFINITION.check_select(context.request)?;
    let all = columns(context).await?;
    let column = all.iter().find(|column| column.name == id || column.id() == id);
    let mut body = column.ok_or_else(Error::not_found)?.describe();
    body["@odata.context"] = context.request.url("/$metadata#columns/$entity").into();
    Ok(response::json(StatusCode::OK, &context.request.selection.project_resource(body)))
}

/// The body of `POST columns`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewColumn {
    name: String,
    display_name: Option<String>,
    description: Option<String>,
    #[serde(flatten)]
    facets: Map<String, Value>,
}

/// `POST columns`: adds a column to the library.
///
/// # Errors
/// 400 for a body without a name or without exactly one type, a name with other characters than
/// letters, digits and underscores, and more than [`MAX_COLUMNS`] columns; 409 if the library has a
/// column with the name; 507 or 500 if the storage fails.
pub(super) async fn create(context: &DriveContext<'_>, payload: Payload) -> Result<Response> {
    let body: NewColumn = payload.parse()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if body.name.is_empty() || body.name.len() > 64 || !body.name.chars().all(is_name) {
        return Err(Error::invalid(format!("cannot use '{}' as the name of a column", body.name)));
    }
    let mut kinds = body.facets.iter().filter_map(|(name, value)| ColumnKind::parse(name, value));
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        let message = "cannot create the column: its definition needs exactly one type, such as \
                       \"text\": {}";
        return Err(Error::invalid(message));
    };
    let all = columns(context).await?;
    if all.iter().any(|column| column.name.eq_ignore_ascii_case(&body.name)) {
        return Err(Error::name_taken());
    }
    if all.iter().filter(|column| !column.is_built_in).count() >= MAX_COLUMNS {
        let message = format!("cannot create the column: the library has {MAX_COLUMNS} already");
        return Err(Error::invalid(message));
    }
    let column = Column {
        display_name: body.display_name.unwrap_or_else(|| body.name.clone()),
        name: body.name,
        description: body.description.unwrap_or_default(),
        kind,
        is_read_only: false,
        is_built_in: false,
    };
    let mut object = AccountObject::new(AccountObjectKind::Column, column.name.clone());
    let (facet, value) = column.kind.facet();
    object.fields.insert("displayName".to_owned(), column.display_name.clone().into());
    object.fields.insert("description".to_owned(), column.description.clone().into());
    object.fields.insert(facet.to_owned(), value);
    context.tree().put_account_object(context.drive(), object).await?;
    let mut created = column.describe();
    created["@odata.context"] = context.request.url("/$metadata#columns/$entity").into();
    Ok(response::json(StatusCode::CREATED, &created))
}
