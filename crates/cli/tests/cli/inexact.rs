//! Files whose listed size or hash differs from their content.

use drivedal_server::{Fault, FixtureItem};

use crate::rig::{
    Cloud::{Amazon, OneDrive},
    Rig,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_another_hash_than_listed_is_refused_unless_the_user_accepts_it() {
    for cloud in [OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        rig.server
            .control()
            .add_fixtures([FixtureItem::file("x/a.bin", b"bytes")])
            .await
            .expect("planted");
        rig.server.control().add_faults([Fault::on("*").wrong_hash()]).expect("a rule");
        for get in [["get", "-r", "it:x", "out"], ["get", "-q", "it:x/a.bin", "file"]] {
            let ran = rig.run(&get).await;
            assert!(matches!(ran.code, 6 | 7), "{cloud:?}: {ran:?}");
            assert!(ran.err.contains("it:x/a.bin: checksum mismatch"), "{cloud:?}: {ran:?}");
        }
        assert!(!rig.shell.path("out/a.bin").exists() && !rig.shell.path("file").exists());
        let ran = rig.run(&["get", "-r", "--ignore-checksum", "it:x", "out"]).await;
        assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
        assert_eq!(rig.shell.read("out/a.bin"), b"bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_file_that_sharepoint_may_have_rewritten_is_fetched_with_a_warning() {
    let rig = Rig::new(OneDrive).await;
    for name in ["x/Report.docx", "x/a.bin"] {
        rig.server
            .control()
            .add_fixtures([FixtureItem::file(name, b"bytes")])
            .await
            .expect("planted");
    }
    rig.server.control().add_faults([Fault::on("*").wrong_hash()]).expect("a rule");
    let ran = rig.run(&["-q", "get", "-r", "it:x", "out"]).await;
    ran.fails(6, "it:x/a.bin: checksum mismatch");
    ran.fails(6, "it:x/Report.docx: warning: checksum mismatch");
    assert_eq!(rig.shell.read("out/Report.docx"), b"bytes");
    // A personal drive rewrites no files.
    let personal = format!("{}&account_kind=personal", rig.uri);
    let mut command = rig.shell.command(&["--remote", &personal, "get", "it:x/Report.docx", "p"]);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    crate::shell::Ran::new(ran.expect("it runs")).fails(7, "it:x/Report.docx: checksum mismatch");
}

/// A response to the metadata request for `x/NAME` with another size, or none.
fn told(name: &str, size: &str) -> Fault {
    let body = format!(
        r#"{{"id":"local!1","name":"{name}"{size},"file":{{}},"eTag":"\"x\"","lastModifiedDateTime":"2014-02-03T04:05:06Z"}}"#
    );
    Fault::on("graph.item.get")
        .path(format!("*/x/{name}"))
        .status(200)
        .header("content-type", "application/json")
        .body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_size_is_compared_and_a_missing_one_is_unknown() {
    let rig = Rig::new(OneDrive).await;
    for name in ["x/a.bin", "x/R.docx", "x/none.bin"] {
        rig.server
            .control()
            .add_fixtures([FixtureItem::file(name, b"bytes")])
            .await
            .expect("planted");
    }
    let faults =
        [told("a.bin", r#","size":7"#), told("R.docx", r#","size":7"#), told("none.bin", "")];
    rig.server.control().add_faults(faults).expect("rules");
    let ran = rig.run(&["get", "it:x/a.bin", "a"]).await;
    ran.fails(7, "it:x/a.bin: received 5 bytes, expected 7");
    assert!(!rig.shell.path("a").exists());
    let ran = rig.run(&["--json", "get", "--ignore-size", "it:x/a.bin", "a"]).await;
    assert_eq!((ran.code, &ran.json()[0]["bytes"]), (0, &5.into()), "{ran:?}");
    let ran = rig.run(&["get", "it:x/R.docx", "r"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("R.docx: warning: received 5 bytes, expected 7: "), "{ran:?}");
    let ran = rig.run(&["get", "it:x/none.bin", "n"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((rig.shell.read("n"), rig.shell.read("r")), (b"bytes".to_vec(), b"bytes".to_vec()));
}
