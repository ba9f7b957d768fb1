//! Instructions that change a config, as `commit -c` and `import -c` take them.

use crate::{error::Result, image::edit::ConfigEditor};

/// x
pub(super) fn apply(_editor: &mut ConfigEditor, _changes: &[String]) -> Result<()> {
    Ok(())
}
