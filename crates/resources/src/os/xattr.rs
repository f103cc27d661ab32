//! Extended attributes: access control lists, security labels, capabilities.

use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::OsError;

/// Gives `to` every extended attribute of `from`. Most files have none, which costs one system call.
pub fn copy(from: impl AsFd, to: impl AsFd, path: &str) -> Result<(), OsError> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let failed = |errno| OsError::errno(format!("reading the extended attributes of `{path}`"), errno);
    let mut names = [0u8; 4096];
    let mut longer = Vec::new();
    let names = match rustix::fs::flistxattr(from, &mut names) {
        Ok(0) | Err(Errno::NOTSUP | Errno::BADF) => return Ok(()),
        Ok(length) => &names[..length],
        Err(Errno::RANGE) => {
            longer.resize(65536, 0);
            let length = rustix::fs::flistxattr(from, &mut longer[..]).map_err(failed)?;
            &longer[..length]
        }
        Err(errno) => return Err(failed(errno)),
    };
    for name in names.split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0u8; 65536];
        let length = match rustix::fs::fgetxattr(from, name, &mut value[..]) {
            Ok(length) => length,
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(failed(errno)),
        };
        let value = &value[..length];
        if let Err(errno) = rustix::fs::fsetxattr(to, name, value, XattrFlags::empty()) {
            let mut there = vec![0u8; 65536];
            let same = rustix::fs::fgetxattr(to, name, &mut there[..]).is_ok_and(|n| &there[..n] == value);
            if !same {
                let name = String::from_utf8_lossy(name);
                return Err(OsError::errno(format!("keeping attribute `{name}` of `{path}`"), errno));
            }
        }
    }
    Ok(())
}
