//! The guide's tables of capabilities must match those of the services.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use drivedal::services::{
    amazon_drive::AmazonDriveConfig, onedrive::OneDriveConfig, skydrive::SkyDriveConfig,
};
use opendal::{Capability, Configurator, Operator};

fn of<C: Configurator>(options: &[(&str, &str)]) -> Capability {
    let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config = C::from_iter(options).expect("options that the service knows");
    Operator::new(config.into_builder()).expect("an operator").info().capability()
}

fn row(name: &str, capability: &Capability) -> String {
    let yes = |can: bool| if can { "yes" } else { "–" };
    let largest = match capability.write_total_max_size {
        Some(bytes) if bytes % 1_000_000_000 == 0 => format!("{} GB", bytes / 1_000_000_000),
        Some(bytes) if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        Some(bytes) => format!("{} MB", bytes / 1_000_000),
        None => "–".to_owned(),
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {largest} |",
        yes(capability.stat && capability.read && capability.write && capability.list),
        yes(capability.rename),
        yes(capability.copy),
        yes(capability.write_with_if_not_exists),
        yes(capability.write_with_if_match),
        yes(capability.read_with_if_none_match),
    )
}

/// The lines of the guide before and after the table of all capabilities.
const TABLE: [&str; 2] = ["<!-- capabilities: generated -->\n", "<!-- end of capabilities -->\n"];

/// Returns the table of all capabilities of OpenDAL, with a column for each service. Sizes are in
/// bytes.
fn capability_table(services: &[(&str, Capability)]) -> String {
    let values: Vec<_> = services
        .iter()
        .map(|(_, capability)| serde_json::to_value(capability).expect("plain values"))
        .collect();
    let names: Vec<_> = services.iter().map(|(name, _)| format!(" `{name}` |")).collect();
    let mut table =
        format!("| capability |{}\n|---|{}\n", names.concat(), "---|".repeat(names.len()));
    let capabilities = values[0].as_object().expect("an object with a member for each capability");
    for name in capabilities.keys() {
        write!(table, "| `{name}` |").expect("a string");
        for value in &values {
            let text = match &value[name] {
                serde_json::Value::Bool(true) => "yes".to_owned(),
                serde_json::Value::Number(number) => number.to_string(),
                _ => "–".to_owned(),
            };
            write!(table, " {text} |").expect("a string");
        }
        table.push('\n');
    }
    table
}

/// Compares a table with the one between two lines of the guide. With `DRIVEDAL_UPDATE_DOCS=1`, writes
/// it there.
fn compare_with_guide([start, end]: [&str; 2], table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/library.md");
    // The tests of one process may write one after the other.
    static GUIDE: Mutex<()> = Mutex::new(());
    let _guide = GUIDE.lock().unwrap_or_else(PoisonError::into_inner);
    let guide = std::fs::read_to_string(path).expect("the guide");
    let (before, rest) = guide.split_once(start).expect("the line before the table");
    let (current, after) = rest.split_once(end).expect("the line after the table");
    if std::env::var_os("DRIVEDAL_UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{start}{table}{end}{after}")).expect("written");
        return;
    }
    assert_eq!(current, table, "run this test with DRIVEDAL_UPDATE_DOCS=1");
}

#[test]
fn the_table_of_all_capabilities_is_true() {
    let token = [("access_token", "t")];
    let business = [("access_token", "t"), ("account_kind", "business")];
    let table = capability_table(&[
        ("onedrive", of::<OneDriveConfig>(&token)),
        ("onedrive, business", of::<OneDriveConfig>(&business)),
        ("skydrive", of::<SkyDriveConfig>(&token)),
        ("amazon-drive", of::<AmazonDriveConfig>(&token)),
    ]);
    compare_with_guide(TABLE, &table);
}

/// The lines around the generated table of extensions in the guide.
const EXTENSIONS: [&str; 2] = ["<!-- extensions: generated -->\n", "<!-- end of extensions -->\n"];

#[test]
fn the_table_of_all_extensions_is_true() {
    let services = [
        ("onedrive", "onedrive://?access_token=t"),
        ("onedrive, personal", "onedrive://?access_token=t&account_kind=personal"),
        ("onedrive, business", "onedrive://?access_token=t&account_kind=business"),
        ("skydrive", "skydrive://?access_token=t"),
        ("amazon-drive", "amazon-drive://?access_token=t"),
    ];
    let extensions = services.map(|(_, uri)| {
        let handle = drivedal::remote::open(uri).expect("a remote").handle.expect("a drive");
        handle.drive().capabilities().extensions
    });
    let names: Vec<_> = services.iter().map(|(name, _)| format!(" `{name}` |")).collect();
    let mut table =
        format!("| extension |{}\n|---|{}\n", names.concat(), "---|".repeat(names.len()));
    for (row, (name, _)) in extensions[0].entries().enumerate() {
        write!(table, "| `{name}` |").expect("a string");
        for extensions in &extensions {
            let (_, has) = extensions.entries().nth(row).expect("the same fields");
            write!(table, " {} |", if has { "yes" } else { "–" }).expect("a string");
        }
        table.push('\n');
    }
    compare_with_guide(EXTENSIONS, &table);
}

#[test]
fn the_table_of_services_is_true() {
    let token = [("access_token", "t")];
    let rows = [
        row("`onedrive`", &of::<OneDriveConfig>(&token)),
        row("`skydrive`", &of::<SkyDriveConfig>(&token)),
        row("`amazon-drive`", &of::<AmazonDriveConfig>(&token)),
    ];
    let guide = include_str!("../../docs/library.md");
    for row in &rows {
        assert!(guide.contains(row), "the guide has another row than\n{}", rows.join("\n"));
    }
}
