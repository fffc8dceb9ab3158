//! `ls`, `tree`, `stat`, `cat`.

use serde_json::json;

use crate::shell::Shell;

fn with_files() -> Shell {
    let shell = Shell::new();
    for path in ["disk/b/2.txt", "disk/b/10.txt", "disk/b/c/x", "disk/a.txt"] {
        shell.write(path, path);
    }
    std::fs::create_dir_all(shell.on_disk("b-empty")).expect("made");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_391_400_306_999);
    let file = std::fs::File::options().write(true).open(shell.on_disk("a.txt")).expect("opened");
    file.set_modified(time).expect("set");
    shell
}

#[test]
fn a_folder_is_listed_by_name_and_folders_have_a_slash() {
    let shell = with_files();
    assert_eq!(shell.out(&["ls", "disk:"]), "a.txt\nb/\nb-empty/\n");
    assert_eq!(shell.out(&["ls", "disk:/b/"]), "10.txt\n2.txt\nc/\n");
    assert_eq!(shell.out(&["ls", "disk:b-empty"]), "");
    assert_eq!(shell.out(&["ls", "disk:b/2.txt"]), "2.txt\n");
}

#[test]
fn a_tree_is_listed_with_paths_from_the_folder_on_and_what_is_in_a_folder_right_behind_it() {
    let shell = with_files();
    assert_eq!(
        shell.out(&["ls", "-R", "disk:"]),
        "a.txt\nb/\nb/10.txt\nb/2.txt\nb/c/\nb/c/x\nb-empty/\n"
    );
    assert_eq!(shell.out(&["ls", "-R", "disk:b"]), "10.txt\n2.txt\nc/\nc/x\n");
    let mut unsorted: Vec<_> =
        shell.out(&["ls", "-RU", "disk:b"]).lines().map(str::to_owned).collect();
    unsorted.sort();
    assert_eq!(unsorted, ["10.txt", "2.txt", "c/", "c/x"]);
}

#[test]
fn the_long_form_has_exact_sizes_and_times_in_columns() {
    let shell = with_files();
    let long = shell.out(&["ls", "-l", "disk:"]);
    assert_eq!(long.lines().next(), Some("          10  2014-02-03T04:05:06Z  a.txt"));
    shell.write("disk/large", vec![0; 1536]);
    let human = shell.out(&["ls", "-lh", "disk:large"]);
    assert!(human.starts_with("     1.5 KiB  ") && human.ends_with("Z  large\n"), "{human}");
}

#[test]
fn items_as_json_are_one_document_a_line() {
    let shell = with_files();
    let ran = shell.run(&["--json", "ls", "disk:"]);
    let items = ran.json();
    assert_eq!(items.len(), 3);
    assert_eq!(
        items[0],
        json!({"path": "a.txt", "name": "a.txt", "kind": "file", "size": 10,
               "modified": "2014-02-03T04:05:06.999Z"})
    );
    assert_eq!((&items[1]["kind"], &items[1]["path"]), (&json!("folder"), &json!("b")));
    assert_eq!(items[1].get("size"), None);

    let below = shell.run(&["ls", "--json", "disk:b/c"]).json();
    assert_eq!((&below[0]["path"], &below[0]["name"]), (&json!("b/c/x"), &json!("x")));
}

#[test]
fn a_tree_is_drawn_and_counted() {
    let shell = with_files();
    assert_eq!(
        shell.out(&["tree", "disk:b"]),
        "disk:b\n├── 10.txt\n├── 2.txt\n└── c/\n    └── x\n1 folders, 3 files\n"
    );
    let root = &shell.run(&["tree", "--json", "disk:"]).json()[0];
    let names = |node: &serde_json::Value| -> Vec<String> {
        let children = node["children"].as_array().expect("a folder");
        children.iter().map(|child| child["name"].as_str().expect("a name").into()).collect()
    };
    assert_eq!(names(root), ["a.txt", "b", "b-empty"]);
    assert_eq!(names(&root["children"][1]), ["10.txt", "2.txt", "c"]);
    assert_eq!(names(&root["children"][2]), [""; 0]);
    assert_eq!(root["children"][0].get("children"), None);
    shell.run(&["tree", "disk:a.txt"]).fails(1, "is not a folder");
}

#[test]
fn several_items_are_shown_and_one_that_is_missing_does_not_stop_the_others() {
    let shell = with_files();
    let ran = shell.run(&["stat", "disk:a.txt", "disk:nobody", "disk:b"]);
    ran.fails(6, "disk:nobody: not found");
    assert!(ran.out.starts_with("path: a.txt\nkind: file\nsize: 10\n"), "{ran:?}");
    assert!(ran.out.contains("\n\npath: b\nkind: folder\n"), "{ran:?}");

    let json = shell.run(&["--json", "stat", "disk:a.txt", "disk:nobody"]).json();
    assert_eq!(json[0]["size"], 10);
    assert_eq!(json[1]["error"]["kind"], "not_found");
    assert_eq!(json[1]["error"]["about"], "disk:nobody");
}

#[test]
fn a_missing_item_has_its_own_exit_code() {
    let shell = with_files();
    for arguments in [["ls", "disk:x"], ["stat", "disk:x"], ["cat", "disk:x"], ["tree", "disk:x/y"]]
    {
        shell.run(&arguments).fails(3, "not found");
    }
    shell.run(&["ls", "disk:a.txt/"]).fails(3, "not found");
}

#[test]
fn files_go_to_standard_output_whole_and_in_parts() {
    let shell = with_files();
    shell.write("disk/ten", "0123456789");
    assert_eq!(shell.out(&["cat", "disk:ten", "disk:ten"]), "01234567890123456789");
    for (range, part) in
        [("0-2", "012"), ("7-", "789"), ("-4", "6789"), ("8-100", "89"), ("-99", "0123456789")]
    {
        assert_eq!(shell.out(&["cat", "--range", range, "disk:ten"]), part, "{range}");
        assert_eq!(shell.out(&["cat", &format!("--range={range}"), "disk:ten"]), part, "{range}");
    }
    shell.run(&["cat", "--range", "10-", "disk:ten"]).fails(1, "after the end, at 10 bytes");
    shell.run(&["cat", "--range", "9-3", "disk:ten"]).fails(2, "ends before it starts");
    shell.run(&["cat", "--range", "0-1", "disk:b"]).fails(1, "is a folder");
}

#[test]
fn a_closed_standard_output_ends_the_command_silently() {
    use std::io::Read;
    let shell = Shell::new();
    shell.write("disk/large", vec![b'x'; 4 << 20]);
    for arguments in [vec!["cat", "disk:large"], vec!["--json", "cat", "disk:large"]] {
        let mut command = shell.command(&arguments);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut first = [0; 10];
        child.stdout.take().expect("piped").read_exact(&mut first).expect("some bytes");
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(141));
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    }
}
