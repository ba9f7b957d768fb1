//! Finding the program and becoming it.

use std::{ffi::CString, path::Path};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags},
    sys::stat::{SFlag, stat},
    unistd::{AccessFlags, execve, faccessat},
};

use super::failure::Result;
use crate::monitor::protocol::Failure;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn failure(errno: Errno, name: &str, text: &str) -> Failure {
    let exit_code = match errno {
        Errno::ENOENT => 127,
        _ => 126,
    };
    Failure {
        stage: "exec".to_owned(),
        errno: errno as i32,
        message: format!("unable to start container process: exec: {name:?}: {text}"),
        exit_code,
    }
}

fn words(errno: Errno) -> String {
    match errno {
        Errno::ENOENT => "no such file or directory".to_owned(),
        Errno::EACCES => "permission denied".to_owned(),
        Errno::EISDIR => "is a directory".to_owned(),
        Errno::ENOTDIR => "not a directory".to_owned(),
        Errno::ENOEXEC => "exec format error".to_owned(),
        other => other.desc().to_lowercase(),
    }
}

/// Whether this is a file that may be executed; the flag says that it could not even be looked at.
fn executable(path: &Path) -> std::result::Result<(), (Errno, bool)> {
    let found = stat(path).map_err(|errno| (errno, true))?;
    if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        return Err((Errno::EISDIR, false));
    }
    faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS).map_err(|errno| (errno, false))
}

/// The file that `name` means, searched in the environment's PATH unless it has a slash.
pub fn find(name: &str, env: &[String]) -> Result<CString> {
    let c_string = |path: &str| CString::new(path).map_err(|_| failure(Errno::EINVAL, name, "invalid argument"));
    if name.contains('/') {
        return match executable(Path::new(name)) {
            Ok(()) => c_string(name),
            Err((errno, true)) => Err(failure(errno, name, &format!("stat {name}: {}", words(errno)))),
            Err((errno, false)) => Err(failure(errno, name, &words(errno))),
        };
    }
    let path = env.iter().rev().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    for dir in path.split(':') {
        let candidate = format!("{}/{name}", if dir.is_empty() { "." } else { dir });
        if !name.is_empty() && executable(Path::new(&candidate)).is_ok() {
            return c_string(&candidate);
        }
    }
    Err(failure(Errno::ENOENT, name, "executable file not found in $PATH"))
}

/// Becomes the program; returns only when that failed.
pub fn exec(program: &CString, argv: &[CString], env: &[CString]) -> Failure {
    let Err(errno) = execve(program, argv, env);
    let name = program.to_string_lossy();
    let message = format!("unable to start container process: exec {name}: {}", words(errno));
    Failure { message, ..failure(errno, &name, "") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_in_docker_s_words() {
        let env = ["PATH=/nowhere:/bin".to_owned()];
        assert_eq!(find("sh", &env).unwrap().to_str(), Ok("/bin/sh"));
        let told = |name: &str| find(name, &env).map_err(|failure| (failure.exit_code, failure.message)).unwrap_err();
        let (code, text) = told("foo");
        assert_eq!(code, 127);
        assert!(text.ends_with("exec: \"foo\": executable file not found in $PATH"), "{text}");
        let (code, text) = told("/foo");
        assert_eq!(code, 127);
        assert!(text.ends_with("exec: \"/foo\": stat /foo: no such file or directory"), "{text}");
        let (code, text) = told("/etc");
        assert_eq!(code, 126);
        assert!(text.ends_with("exec: \"/etc\": is a directory"), "{text}");
        let (code, text) = told("/etc/passwd");
        assert_eq!(code, 126);
        assert!(text.ends_with("exec: \"/etc/passwd\": permission denied"), "{text}");
    }
}
