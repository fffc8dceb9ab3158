//! Files that are rewritten with the same size during an upload.

use std::{
    fs,
    io::{Seek, Write},
};

use drivedal_server::{Bandwidth, Fault, FixtureItem};

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::Ran,
    stops::until,
};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_rewritten_while_it_is_sent_is_not_sent_and_the_old_version_stays() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let mut rig = Rig::new(cloud).await;
        // The upload is one request.
        rig.uri = rig.uri.replace("&bits_from=1000000&bits_fragment=1000000", "");
        rig.server
            .control()
            .add_fixtures([FixtureItem::file("x/f", b"old")])
            .await
            .expect("planted");
        let path = rig.shell.write("f", vec![b'a'; 6 * MIB]);
        let slow = Fault::on("*").bandwidth(Bandwidth::up(2 * MIB as u64));
        rig.server.control().add_faults([slow]).expect("a rule");
        let child = rig.command(&["put", "f", "it:x/f"]).spawn().expect("the binary runs");
        let uploads = ["live.files.put", "graph.session.fragment", "amazon.content.upload"];
        let overwrite = "amazon.content.overwrite";
        until("the bytes are on their way", || {
            let counters = rig.server.control().counters();
            uploads.iter().chain([&overwrite]).any(|upload| counters.count(upload) > 0)
        });
        let mut file = fs::File::options().write(true).open(path).expect("opened");
        file.rewind().and_then(|()| file.write_all(&vec![b'b'; 6 * MIB])).expect("written");
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output()).await;
        let ran = Ran::new(ended.expect("no panic").expect("it ends"));
        assert_eq!(ran.code, 1, "{cloud:?}: {ran:?}");
        assert!(ran.err.contains("changed"), "{cloud:?}: {ran:?}");
        assert!(!ran.err.contains("not supported"), "{cloud:?}: {ran:?}");
        rig.server.control().clear_faults();
        assert_eq!(rig.run(&["cat", "it:x/f"]).await.out, "old", "{cloud:?}: {ran:?}");
    }
}
