//! A file system that ignores case, for one test.

use std::{fs, path::PathBuf, process::Command};

use crate::shell::Shell;

/// A mounted file system that ignores case.
pub struct Mounted {
    pub folder: PathBuf,
    loop_device: Option<String>,
}

impl Mounted {
    /// Creates and mounts a vfat image, or an exfat image in user space. Returns the reason if
    /// neither works.
    pub fn new(shell: &Shell) -> Result<Self, String> {
        let image = shell.write("disk.img", "");
        fs::File::options()
            .write(true)
            .open(&image)
            .and_then(|file| file.set_len(16 << 20))
            .map_err(|error| error.to_string())?;
        let folder = shell.path("mnt");
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        let (image, at) = (image.to_string_lossy(), folder.to_string_lossy());
        let vfat = tool("mkfs.vfat", &[&image])
            .and_then(|_| tool("mount", &["-o", "loop,utf8,shortname=mixed", &image, &at]));
        let Err(vfat) = vfat else { return Ok(Self { folder, loop_device: None }) };
        let exfat = tool("mkfs.exfat", &[&image]).and_then(|_| {
            let device = tool("losetup", &["--find", "--show", &image])?;
            match tool("mount.exfat-fuse", &[&device, &at]) {
                Ok(_) => Ok(device),
                Err(why) => {
                    let _ = tool("losetup", &["--detach", &device]);
                    Err(why)
                }
            }
        });
        match exfat {
            Ok(device) => Ok(Self { folder: folder.clone(), loop_device: Some(device) }),
            Err(exfat) => Err(format!("{vfat}; {exfat}")),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = tool("umount", &[&self.folder.to_string_lossy()]);
        if let Some(device) = &self.loop_device {
            let _ = tool("losetup", &["--detach", device]);
        }
    }
}

fn tool(name: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let ended = command.args(arguments).output().map_err(|error| format!("{name}: {error}"))?;
    match ended.status.success() {
        true => Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned()),
        false => Err(format!("{name}: {}", String::from_utf8_lossy(&ended.stderr).trim())),
    }
}
