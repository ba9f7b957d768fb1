//! Files in a volume.

use jiff::Timestamp;

/// What an entry of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name. What is not UTF-8 in it is shown as `�` and can't be acted on.
    pub name: String,
    /// The name is exact.
    pub is_named: bool,
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a file.
    pub size_bytes: u64,
    /// Permissions.
    pub mode: u32,
    /// Owner inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// When it was changed.
    pub modified_at: Timestamp,
    /// Where a link leads.
    pub target: String,
    /// Changes whenever the file does.
    pub version: String,
}

/// A folder of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderView {
    /// Folders first, then by name.
    pub entries: Vec<FileEntry>,
    /// Entries that are not shown: there are too many.
    pub more: usize,
}

/// A text to be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The entry.
    pub entry: FileEntry,
    /// What is in it; `None` when it is too large or no text.
    pub text: Option<String>,
}
