//! Which store an address means. Credentials come in as settings; nothing here reads the environment.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::config::AwsSettings;

/// An opened store.
pub(super) struct Backend {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Its folder, if it is one on this machine.
    pub(super) folder: Option<PathBuf>,
}

/// Opens `file:///dir` (made if it is missing) or `s3://bucket/prefix`; `aws` is asked for only for the latter.
pub(super) fn open(address: &str, aws: impl FnOnce() -> anyhow::Result<AwsSettings>) -> anyhow::Result<Backend> {
    let url =
        Url::parse(address).with_context(|| format!("`{address}` is not a URL such as file:///dir or s3://bucket"))?;
    match url.scheme() {
        "file" => local(&url),
        "s3" => Ok(Backend {
            store: s3(&url, &aws()?)?,
            folder: None,
        }),
        other => bail!("`{other}://` is no artifact store; use file:///dir or s3://bucket/prefix"),
    }
}

fn local(url: &Url) -> anyhow::Result<Backend> {
    let Ok(folder) = url.to_file_path() else {
        bail!("`{url}` names no local directory; write file:///absolute/dir")
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("create the artifact directory {}", folder.display()))?;
    let store = LocalFileSystem::new_with_prefix(&folder)
        .with_context(|| format!("open the artifact directory {}", folder.display()))?;
    // Without the clean-up every deletion would leave its folders. Without the sync a power loss would leave tasks,
    // which Redis keeps, without the media that was acknowledged with them.
    Ok(Backend {
        store: Arc::new(store.with_automatic_cleanup(true).with_fsync(true)),
        folder: Some(folder),
    })
}

fn s3(url: &Url, aws: &AwsSettings) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let Some(bucket) = url.host_str() else {
        bail!("`{url}` names no bucket; write s3://bucket/prefix")
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&aws.region)
        .with_allow_http(aws.allow_http)
        // We delete one by one, which every server can, and bulk deletion some cannot.
        .with_disable_bulk_delete(true)
        .with_virtual_hosted_style_request(aws.endpoint_url.is_none());
    if let Some(endpoint) = &aws.endpoint_url {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(id) = &aws.access_key_id {
        builder = builder.with_access_key_id(id.expose());
    }
    if let Some(secret) = &aws.secret_access_key {
        builder = builder.with_secret_access_key(secret.expose());
    }
    if let Some(token) = &aws.session_token {
        builder = builder.with_token(token.expose());
    }
    let store = builder.build().with_context(|| format!("open the bucket {bucket}"))?;
    let prefix = url.path().trim_matches('/');
    if prefix.is_empty() {
        return Ok(Arc::new(store));
    }
    let prefix = object_store::path::Path::parse(prefix).with_context(|| format!("read the prefix of `{url}`"))?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_store_syncs_what_it_writes() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let url = Url::from_directory_path(folder.path()).expect("an absolute directory");
        let backend = local(&url).expect("a store");
        // No power loss can be had in a test, so this reads the store's own words about its switch.
        let words = format!("{:?}", backend.store);
        assert!(words.contains("fsync: true"), "{words}");
    }
}
