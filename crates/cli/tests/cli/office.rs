//! SharePoint changes Office files after their upload.

use drivedal_server::{AccountKind, CloudBehavior, Server};

use crate::{
    rig::{Cloud, Rig},
    shell::Shell,
};

async fn run(rig: &Rig, code: i32, arguments: &[&str]) -> String {
    let ran = rig.run(arguments).await;
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    ran.err
}

#[tokio::test(flavor = "multi_thread")]
async fn office_files_are_no_damage_and_are_sent_again_only_if_they_change() {
    for kind in [AccountKind::Business, AccountKind::Library] {
        let server = Server::builder()
            .ephemeral()
            .kind(kind)
            .behavior(CloudBehavior::default().rewrite_office_files())
            .start()
            .await
            .expect("a server");
        let uri = Cloud::OneDrive.uri(&server);
        let rig = Rig { server, shell: Shell::new(), uri };
        for path in ["src/report.docx", "src/d/table.XLSX", "src/plain.bin"] {
            rig.shell.write_old(path, path);
        }
        // Larger than a fragment.
        rig.shell.write_old("src/large.pptx", vec![7; 2_000_000]);

        run(&rig, 0, &["put", "-r", "src", "it:put"]).await;
        let err = run(&rig, 0, &["get", "-r", "it:put", "back"]).await;
        assert!(!err.contains("damaged"), "{err}");
        assert_ne!(rig.shell.read("back/report.docx"), b"src/report.docx", "it is rewritten");
        assert_eq!(rig.shell.read("back/plain.bin"), b"src/plain.bin");

        run(&rig, 0, &["sync", "src", "it:d"]).await;
        let unchanged = ["sync", "--error-on-no-transfer", "src", "it:d"];
        run(&rig, 9, &unchanged).await;
        run(&rig, 0, &["check", "src", "it:d"]).await;
        run(&rig, 0, &["check", "src", "it:put"]).await;
        run(&rig, 0, &["sync", "it:d", "down"]).await;
        run(&rig, 9, &["sync", "--error-on-no-transfer", "it:d", "down"]).await;

        // A new time is a change, also with the same size.
        rig.shell.write("src/report.docx", "SRC/report.docx");
        run(&rig, 10, &["check", "src", "it:d"]).await;
        run(&rig, 0, &unchanged).await;
        run(&rig, 9, &unchanged).await;
        // Only the contents themselves show the difference.
        run(&rig, 10, &["check", "--download", "src", "it:d"]).await;
    }
}
