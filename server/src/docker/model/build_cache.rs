//! What builds keep, in lists.

use runtime::build::cache::Kept;
use serde::Serialize;

use crate::docker::phrase;

/// One record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct CacheRecord<'a> {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    description: &'a str,
    in_use: bool,
    shared: bool,
    size: u64,
    created_at: String,
    last_used_at: String,
    usage_count: u64,
}

impl<'a> CacheRecord<'a> {
    /// Of something that is kept.
    pub(in crate::docker) fn of(kept: &'a Kept) -> Self {
        Self {
            id: kept.key.hex(),
            kind: if kept.is_mount { "exec.cachemount" } else { "regular" },
            description: &kept.description,
            in_use: kept.in_use,
            shared: false,
            size: kept.size_bytes,
            created_at: phrase::stamp(kept.made_at),
            last_used_at: phrase::stamp(kept.used_at),
            usage_count: kept.uses,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use runtime::digest::Digest;

    use super::*;

    #[test]
    fn a_record_has_dockers_names() {
        let kept = Kept {
            key: Digest::of(b"k"),
            is_mount: true,
            description: "/root/.cache".into(),
            size_bytes: 7,
            made_at: Timestamp::UNIX_EPOCH,
            used_at: Timestamp::UNIX_EPOCH,
            uses: 0,
            in_use: false,
        };
        let wire = serde_json::to_value(CacheRecord::of(&kept)).unwrap();
        assert_eq!(
            (&wire["Type"], &wire["Size"], &wire["InUse"]),
            (&"exec.cachemount".into(), &7.into(), &false.into())
        );
        assert_eq!(
            (wire["ID"].as_str().unwrap().len(), &wire["CreatedAt"]),
            (64, &"1970-01-01T00:00:00.000000000Z".into())
        );
    }
}
