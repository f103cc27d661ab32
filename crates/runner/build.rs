//! Links the C++ library that Luau needs into the program, so that starting it loads one library less.
#![expect(clippy::disallowed_methods, reason = "build scripts are told where to write by a variable")]

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(library) = static_library() else { return };
    let Some(out) = std::env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let link = out.join("libstdc++.a");
    let _ = std::fs::remove_file(&link);
    // A directory that holds the archive alone comes before those that hold the shared library, too.
    if std::os::unix::fs::symlink(library, link).is_ok() {
        println!("cargo:rustc-link-search=native={}", out.display());
    }
}

/// Where the C++ compiler keeps its archive; nothing when it has none, and then the shared library is used.
fn static_library() -> Option<PathBuf> {
    let output = Command::new("c++").arg("-print-file-name=libstdc++.a").output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
