//! Starts a local OneDrive, then writes, lists, reads and moves files in it through OpenDAL.
//!
//! `cargo run --example local_onedrive`. The same program works with the real OneDrive: remove the
//! server, and set `client_id` and `token_file` instead of `endpoint` and `access_token`.

use drivedal_server::Server;
use opendal::Operator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().ephemeral().start().await?;

    drivedal::register();
    let options = [
        ("endpoint".to_owned(), format!("{}v1.0", server.url())),
        ("access_token".to_owned(), "drivedal-dev".to_owned()),
    ];
    let drive = Operator::via_iter("onedrive", options)?;

    drive.write("reports/2026.txt", "all is well").await?;
    drive.rename("reports/2026.txt", "reports/latest.txt").await?;
    for entry in drive.list("reports/").await? {
        println!("{} {} bytes", entry.path(), entry.metadata().content_length());
    }
    let part = drive.read_with("reports/latest.txt").range(0..3).await?;
    assert_eq!(part.to_vec(), b"all");

    println!("requests: {:?}", server.control().counters());
    server.stop().await;
    Ok(())
}
