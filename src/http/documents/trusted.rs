//! Trusted documents: the only ones that are run, when there is a manifest of them.
//!
//! It owns the manifest's formats, and reads the file once, when usher starts. Every document is
//! parsed and checked then, so that a bad one is found before a client sends it. It must never
//! run anything.
//!
//! Two formats are known: that of graphql-codegen's client preset
//! (`{"<id>": "<document>", …}`), and Apollo's (`{"format": "apollo-persisted-query-manifest",
//! "operations": [{"id": …, "body": …}, …]}`). Ids are whatever the tool made; here they are
//! only compared.

use crate::model::causes::in_full;
use async_graphql::parser::types::ExecutableDocument;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Characters of an id; hashes have 40 or 64.
const LONGEST_ID: usize = 255;
/// How an Apollo manifest says what it is.
const APOLLO: &str = "apollo-persisted-query-manifest";

/// Why there is no list of trusted documents.
#[derive(Debug, thiserror::Error)]
pub enum TrustedDocumentsError {
    /// The file cannot be read.
    #[error("cannot read the trusted documents in {}", file.display())]
    File {
        /// The manifest.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is no manifest.
    #[error("{} is no manifest of trusted documents: {reason}", file.display())]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A document in it cannot be run.
    #[error("the trusted document {id} in {} cannot be run: {reason}", file.display())]
    Document {
        /// The manifest.
        file: PathBuf,
        /// What the manifest calls it.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The documents of a manifest.
#[derive(Debug)]
pub struct TrustedDocuments {
    texts: HashMap<String, Arc<str>>,
    documents: HashMap<Arc<str>, Arc<ExecutableDocument>>,
}

impl TrustedDocuments {
    /// Reads a manifest, and each of its documents with `read`, which says what is wrong with
    /// one.
    ///
    /// # Errors
    /// When it is not a manifest, or a document in it cannot be run.
    pub fn load(
        file: &Path,
        read: impl Fn(&str) -> Result<Arc<ExecutableDocument>, String>,
    ) -> Result<Self, TrustedDocumentsError> {
        let text = std::fs::read(file).map_err(|source| TrustedDocumentsError::File {
            file: file.to_owned(),
            source,
        })?;
        let no_manifest = |reason| TrustedDocumentsError::Manifest {
            file: file.to_owned(),
            reason,
        };
        let manifest = serde_json::from_slice(&text)
            .map_err(|error| no_manifest(format!("it is not JSON: {}", in_full(&error))))?;
        let listed = documents(manifest).map_err(no_manifest)?;
        let mut trusted = Self {
            texts: HashMap::new(),
            documents: HashMap::new(),
        };
        for (id, text) in listed {
            let document = read(&text).map_err(|reason| TrustedDocumentsError::Document {
                file: file.to_owned(),
                id: id.clone(),
                reason,
            })?;
            let text: Arc<str> = text.into();
            trusted.documents.insert(Arc::clone(&text), document);
            trusted.texts.insert(id, text);
        }
        Ok(trusted)
    }

    /// The text of the document with this id.
    pub fn text(&self, id: &str) -> Option<&Arc<str>> {
        self.texts.get(id)
    }

    /// The document of exactly this text.
    pub fn get(&self, text: &str) -> Option<&Arc<ExecutableDocument>> {
        self.documents.get(text)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }
}

/// The ids and texts of a manifest.
fn documents(manifest: Value) -> Result<Vec<(String, String)>, String> {
    let Value::Object(mut manifest) = manifest else {
        return Err("it must be an object of documents by their ids".to_owned());
    };
    let listed = match manifest.remove("operations") {
        Some(Value::Array(operations)) => {
            if manifest.get("format") != Some(&Value::from(APOLLO)) {
                return Err(format!("its `format` must be {APOLLO}"));
            }
            let operation = |operation| match operation {
                Value::Object(operation) => of_apollo(operation),
                _ => None,
            };
            let documents: Option<Vec<_>> = operations.into_iter().map(operation).collect();
            documents.ok_or("each of its `operations` must have an `id` and a `body`")?
        }
        Some(_) => return Err("its `operations` must be a list".to_owned()),
        None => {
            let document = |(id, text)| match text {
                Value::String(text) => Ok((id, text)),
                _ => Err("each id must have the text of a document"),
            };
            let documents: Result<_, _> = manifest.into_iter().map(document).collect();
            documents?
        }
    };
    if listed.is_empty() {
        return Err("there is no document in it".to_owned());
    }
    let is_bad = |id: &str| {
        id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if listed.iter().any(|(id, _)| is_bad(id)) {
        let what = "printable characters without blanks";
        return Err(format!("an id must have from 1 to {LONGEST_ID} {what}"));
    }
    Ok(listed)
}

fn of_apollo(mut operation: Map<String, Value>) -> Option<(String, String)> {
    match (operation.remove("id"), operation.remove("body")) {
        (Some(Value::String(id)), Some(Value::String(body))) => Some((id, body)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::json;

    fn load(manifest: &str) -> Result<TrustedDocuments, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("persisted-documents.json");
        std::fs::write(&file, manifest).unwrap();
        let read = |text: &str| {
            parse_query(text)
                .map(Arc::new)
                .map_err(|error| error.to_string())
        };
        TrustedDocuments::load(&file, read).map_err(|error| error.to_string())
    }

    #[test]
    fn both_formats_are_read() {
        let codegen = json!({"ab12": "{ a }", "cd34": "{ b }"}).to_string();
        let apollo = json!({"format": APOLLO, "version": 1, "operations": [
            {"id": "ab12", "name": "A", "type": "query", "body": "{ a }"},
            {"id": "cd34", "name": "B", "type": "query", "body": "{ b }"},
        ]});
        for manifest in [codegen, apollo.to_string()] {
            let trusted = load(&manifest).unwrap();
            assert_eq!(trusted.count(), 2);
            assert_eq!(&**trusted.text("cd34").unwrap(), "{ b }");
            assert!(trusted.get("{ a }").is_some());
            assert!(trusted.get("{ a } ").is_none(), "exactly this text");
            assert!(trusted.text("{ a }").is_none());
        }
    }

    #[test]
    fn a_bad_manifest_is_refused_with_its_reason() {
        let long = json!({"x".repeat(256): "{ a }"}).to_string();
        for (manifest, reason) in [
            ("", "not JSON"),
            ("[]", "must be an object"),
            ("{}", "no document"),
            (r#"{"": "{ a }"}"#, "an id must have"),
            (r#"{"a b": "{ a }"}"#, "an id must have"),
            (&long, "an id must have"),
            (r#"{"ab": 5}"#, "each id"),
            (r#"{"operations": []}"#, "`format`"),
            (r#"{"operations": {}}"#, "a list"),
            (r#"{"ab": "{ a"}"#, "document ab in"),
        ] {
            let error = load(manifest).unwrap_err();
            assert!(error.contains(reason), "{manifest}: {error}");
        }
        let missing = TrustedDocuments::load(Path::new("/nowhere.json"), |_| Err(String::new()));
        assert!(missing.unwrap_err().to_string().contains("/nowhere.json"));
    }
}
