//! Lists, page by page.

use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::*;
use crate::{Entries, Listing, Object};

impl RemoteStore {
    pub fn list(&self, prefix: &str) -> Result<Listing<'_>, StoreError> {
        let (pages, prefix) = (self.pages(prefix, false)?, prefix.to_owned());
        Ok(Box::new(pages.flat_map(move |page| match page.and_then(|page| self.with_etags(&prefix, page.objects)) {
            Ok(objects) => objects.into_iter().map(|meta| Ok(self.object(meta))).collect(),
            Err(error) => vec![Err(error)],
        })))
    }

    pub fn entries(&self, prefix: &str) -> Result<Entries, StoreError> {
        let mut entries = Entries::default();
        let name = |path: &Path| path.filename().map(str::to_owned);
        for page in self.pages(prefix, true)? {
            let page = page?;
            entries.directories.extend(page.common_prefixes.iter().filter_map(name));
            entries.files.extend(page.objects.iter().filter_map(|meta| name(&meta.location)));
        }
        Ok(entries)
    }

    /// A list page by page.
    fn pages(&self, prefix: &str, one_level: bool) -> Result<Pages<'_>, StoreError> {
        let Some(lister) = &self.connection.lister else {
            return Err(StoreError::NotListable { place: self.place(prefix) });
        };
        let path = self.path(prefix)?;
        let directory = if path.as_ref().is_empty() { String::new() } else { format!("{path}/") };
        Ok(Pages { remote: self, lister, key: prefix.to_owned(), directory, one_level, next: Next::First })
    }

    pub(super) fn object(&self, meta: ObjectMeta) -> Object {
        let location = meta.location.as_ref();
        let key = location.strip_prefix(self.prefix.as_ref()).unwrap_or(location).trim_start_matches('/');
        Object { key: key.to_owned(), stat: stat(&meta) }
    }
}

struct Pages<'a> {
    remote: &'a RemoteStore,
    lister: &'a Arc<dyn PaginatedListStore>,
    /// What is listed, for messages.
    key: String,
    directory: String,
    one_level: bool,
    next: Next,
}

enum Next {
    First,
    Token(String),
    End,
}

impl Iterator for Pages<'_> {
    type Item = Result<object_store::ListResult, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let page_token = match std::mem::replace(&mut self.next, Next::End) {
            Next::First => None,
            Next::Token(token) => Some(token),
            Next::End => return None,
        };
        let delimiter = self.one_level.then_some("/".into());
        let options = PaginatedListOptions { delimiter, page_token, ..PaginatedListOptions::default() };
        let prefix = (!self.directory.is_empty()).then_some(self.directory.as_str());
        let remote = self.remote;
        let page = remote.wait(&self.key, async {
            let page = self.lister.list_paginated(prefix, options).await;
            page.map_err(|error| remote.failed(&self.key, error))
        });
        Some(page.map(|page| {
            self.next = page.page_token.map_or(Next::End, Next::Token);
            page.result
        }))
    }
}
