//! The one secret that all others at rest depend on.

use std::{
    fmt, fs, io,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::hkdf;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT},
};
use zeroize::Zeroizing;

/// The master key: 32 octets. It is never used itself; a key is derived from it for each purpose.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The text is not 32 octets in base64.
    #[error("a master key is 32 octets in base64")]
    Malformed,
    /// The file's text is not 32 octets in base64.
    #[error("{} does not hold a master key, which is 32 octets in base64", path.display())]
    MalformedFile {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or write the file.
    #[error("{} holds the master key and has mode {mode:03o}: only its owner may have access (chmod 600)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file can't be read or made.
    #[error("the master key file {} can't be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// No randomness for a new one.
    #[error("the operating system gives no random octets")]
    NoRandomness,
}

impl MasterKey {
    /// Reads a key from base64, as `openssl rand -base64 32` writes it; base64url is good too.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim_ascii();
        let is_url_safe = text.contains(['-', '_']);
        let engine = if is_url_safe { URL_SAFE_PAD_INDIFFERENT } else { STANDARD_PAD_INDIFFERENT };
        let octets = Zeroizing::new(engine.decode(text).map_err(|_| MasterKeyError::Malformed)?);
        Ok(Self(Zeroizing::new(octets.as_slice().try_into().map_err(|_| MasterKeyError::Malformed)?)))
    }

    /// Reads the key from a file that only its owner has access to; makes both if there is no such file.
    pub fn load_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        match Self::load(path) {
            Err(MasterKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Self::create(path),
            loaded_or_refused => loaded_or_refused,
        }
    }

    fn create(path: &Path) -> Result<Self, MasterKeyError> {
        let key = Self::random()?;
        match key.write_new(path) {
            Ok(()) => Ok(key),
            // Whoever loses a race loads the winner's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(source) => Err(MasterKeyError::Io { path: path.to_owned(), source }),
        }
    }

    fn random() -> Result<Self, MasterKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        // Not a use case's randomness: a repeatable master key would be none, in tests too.
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| MasterKeyError::NoRandomness)?;
        Ok(Self(key))
    }

    /// Writes the key into a new file. The file gets its name when all of the key is in it: a process that is killed
    /// before leaves nothing that the next start would take for a key, or for the loss of one.
    fn write_new(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().prefix(".master-key-").permissions(fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(self.0.as_slice())));
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        // The file's name is durable when its folder is.
        fs::File::open(folder)?.sync_all()
    }

    /// Reads the key from a file that only its owner has access to.
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let mut file = fs::File::open(path).map_err(failed)?;
        // Of the open file and not of the path, which could have another file by now.
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        io::Read::read_to_string(&mut file, &mut text).map_err(failed)?;
        Self::from_base64(&text).map_err(|_| MasterKeyError::MalformedFile { path: path.to_owned() })
    }

    /// The key for one purpose (HKDF-SHA-256, RFC 5869). Different labels give independent keys.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"grantlog master key")
            .extract(self.0.as_slice())
            .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .expect("HKDF-SHA-256 gives up to 8160 octets");
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=";

    #[test]
    fn a_key_is_read_from_either_base64() {
        let key = MasterKey::from_base64(TEXT).expect("a key");
        for text in [TEXT.trim_end_matches('=').to_owned(), format!("{TEXT}\n"), TEXT.replace('+', "-").replace('/', "_")] {
            assert_eq!(MasterKey::from_base64(&text).expect("the same key").0, key.0);
        }
        for text in ["", "AAAA", "?", &format!("{TEXT}AAAA"), &TEXT[4..]] {
            assert!(matches!(MasterKey::from_base64(text), Err(MasterKeyError::Malformed)), "{text}");
        }
    }

    #[test]
    fn labels_separate_keys() {
        let key = MasterKey::from_base64(TEXT).expect("a key");
        assert_eq!(key.derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_ne!(key.derive("a"), key.0);
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("master.key");
        let made = MasterKey::load_or_create(&path).expect("a new key");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKey::load_or_create(&path).expect("the same key").0, made.0);
        let names: Vec<_> = fs::read_dir(dir.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["master.key"]);
    }

    #[test]
    fn of_many_who_make_the_file_at_once_all_get_the_same_key() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| *MasterKey::load_or_create(&path).expect("a key").0)).collect();
            makers.into_iter().map(|maker| maker.join().expect("no panic")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("master.key");
        MasterKey::load_or_create(&path).expect("a new key");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            let error = MasterKey::load_or_create(&path).expect_err("exposed").to_string();
            assert!(error.contains("master.key") && error.contains(&format!("{mode:o}")), "{error}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("master.key");
        fs::write(&path, "short").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
        assert!(MasterKey::load_or_create(&path).expect_err("no key").to_string().contains("master.key"));
        assert_eq!(fs::read_to_string(&path).expect("a file"), "short");
        assert!(matches!(MasterKey::load_or_create(&dir.path().join("none/master.key")), Err(MasterKeyError::Io { .. })));
    }

    #[test]
    fn debug_output_holds_no_key() {
        assert_eq!(format!("{:?}", MasterKey::from_base64(TEXT).expect("a key")), "MasterKey(redacted)");
    }
}
