//! The guide's table of capabilities must match those of the services.

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
