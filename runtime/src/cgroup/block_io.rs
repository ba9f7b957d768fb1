//! Block IO: weights, and rates of single devices.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use super::files::{Error, Result, write};
use crate::request::{DeviceLimit, DeviceRates};

/// `8:0` of a block device's node.
fn number(path: &str) -> Result<String> {
    let data = fs::metadata(path).map_err(|error| Error::at("look at", Path::new(path), error))?;
    if !data.file_type().is_block_device() {
        return Err(Error::Unsupported(format!("{path} is not a block device")));
    }
    let device = data.rdev();
    Ok(format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device)))
}

/// v1's weights: the file's name depends on the kernel's scheduler.
pub fn weigh_v1(dir: &Path, weight: Option<u16>, devices: &[DeviceLimit]) -> Result<()> {
    let file = |ends: &str| {
        let found = ["blkio.weight", "blkio.bfq.weight"].map(|name| dir.join(format!("{name}{ends}")));
        found.into_iter().find(|path| path.exists())
    };
    if let (Some(weight), Some(file)) = (weight, file("")) {
        write(&file, &weight.to_string())?;
    }
    for device in devices {
        if let Some(file) = file("_device") {
            weigh_device(&file, device)?;
        }
    }
    Ok(())
}

fn weigh_device(file: &Path, device: &DeviceLimit) -> Result<()> {
    write(file, &format!("{} {}", number(&device.path)?, device.value)).map_err(|error| match error {
        Error::File { source, .. } if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            let path = &device.path;
            Error::Unsupported(format!("the block device {path} knows no weights: its I/O scheduler is not bfq"))
        }
        error => error,
    })
}

/// v1's rates.
pub fn throttle_v1(dir: &Path, rates: &DeviceRates) -> Result<()> {
    for (file, list) in [
        ("blkio.throttle.read_bps_device", &rates.read_bps),
        ("blkio.throttle.write_bps_device", &rates.write_bps),
        ("blkio.throttle.read_iops_device", &rates.read_iops),
        ("blkio.throttle.write_iops_device", &rates.write_iops),
    ] {
        for device in list {
            write(&dir.join(file), &format!("{} {}", number(&device.path)?, device.value))?;
        }
    }
    Ok(())
}

/// v2's weights; `io.weight` has another scale than Docker's.
pub fn weigh_v2(dir: &Path, weight: Option<u16>, devices: &[DeviceLimit]) -> Result<()> {
    let bfq = dir.join("io.bfq.weight");
    let (file, scale): (_, fn(u64) -> u64) =
        if bfq.exists() { (bfq, |weight| weight) } else { (dir.join("io.weight"), |weight| scaled(weight)) };
    if !file.exists() {
        return Ok(());
    }
    if let Some(weight) = weight {
        write(&file, &format!("default {}", scale(weight.into())))?;
    }
    for device in devices {
        write(&file, &format!("{} {}", number(&device.path)?, scale(device.value)))?;
    }
    Ok(())
}

/// 10 to 1000 on the scale of 1 to 10000.
fn scaled(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9999 / 990
}

/// v2's rates.
pub fn throttle_v2(dir: &Path, rates: &DeviceRates) -> Result<()> {
    for (name, list) in [
        ("rbps", &rates.read_bps),
        ("wbps", &rates.write_bps),
        ("riops", &rates.read_iops),
        ("wiops", &rates.write_iops),
    ] {
        for device in list {
            write(&dir.join("io.max"), &format!("{} {name}={}", number(&device.path)?, device.value))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_scaled_from_end_to_end() {
        assert_eq!((scaled(10), scaled(500), scaled(1000)), (1, 4950, 10_000));
    }

    #[test]
    fn only_block_devices_have_numbers() {
        assert!(number("/dev/null").unwrap_err().to_string().contains("not a block device"));
        assert!(number("/dev/there-is-none").is_err());
    }
}
