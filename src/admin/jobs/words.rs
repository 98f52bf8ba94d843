//! Kinds of jobs in words. The names in the table never change; what people read may.

/// Every kind with what it does.
const KINDS: &[(&str, &str)] = &[
    ("media.process_upload", "Process a file"),
    ("media.collect_transcoding", "Collect what the cloud made"),
    ("media.end_transcoding", "End a job in the cloud"),
    ("media.watch_transcodings", "Ask the cloud how jobs are"),
    ("media.tidy_upload", "Tidy up after a file"),
    ("media.settle_batches", "Tell of files sent together"),
    ("media.delete_files", "Delete stored files"),
    ("media.discard_upload", "Discard a file"),
    ("media.sweep", "Sweep unneeded files"),
    ("sweep", "Sweep the database"),
    ("admin.send_announcement", "Send an announcement"),
    ("send_letter", "Send mail"),
    ("send_link", "Send a link by mail"),
    ("find_forgetful", "Help who forgot a password"),
    ("sweep_links", "Sweep links of letters"),
    ("fill_places", "Fill free places"),
];

/// What a kind does; its name where nothing better is known, for example from another release.
pub fn called(kind: &str) -> &str {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    found.map_or(kind, |(_, words)| words)
}

/// The kinds that have words.
pub fn known() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}
