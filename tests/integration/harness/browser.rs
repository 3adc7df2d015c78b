//! A headless Chromium, as the operator's eyes (`tests/python/browser.py`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::line_process::LineProcess;
use super::python::python;

/// One browser with one tab.
pub(crate) struct Browser {
    process: LineProcess,
    base: String,
}

impl Browser {
    /// A browser for one server's pages, `host:port`.
    pub(crate) fn start(address: &str) -> Self {
        let mut command = python("browser.py");
        command.arg(tool("CHARGEBOOK_TEST_CHROMIUM", "/usr/bin/chromium"));
        command.arg(tool("CHARGEBOOK_TEST_CHROMEDRIVER", "/usr/bin/chromedriver"));
        let process = LineProcess::start("browser", &mut command);
        Self { process, base: format!("http://{address}") }
    }

    /// Opens a page and returns its title.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &str) -> String {
        let reply = self.ask(json!({ "op": "open", "url": format!("{}{path}", self.base) }));
        text(&reply["title"])
    }

    #[track_caller]
    pub(crate) fn type_into(&mut self, selector: &str, text: &str) {
        self.ask(json!({ "op": "type", "selector": selector, "text": text }));
    }

    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        self.ask(json!({ "op": "click", "selector": selector }));
    }

    /// The text of an element as a person would read it.
    #[track_caller]
    pub(crate) fn text(&mut self, selector: &str) -> String {
        text(&self.ask(json!({ "op": "text", "selector": selector }))["text"])
    }

    /// How many elements there are.
    #[track_caller]
    pub(crate) fn count(&mut self, selector: &str) -> u64 {
        let reply = self.ask(json!({ "op": "count", "selector": selector }));
        reply["count"].as_u64().expect("a count")
    }

    /// Waits until an element shows a text, without reloading the page.
    #[track_caller]
    pub(crate) fn wait_for_text(&mut self, selector: &str, text: &str) {
        self.ask(json!({ "op": "wait_text", "selector": selector, "text": text }));
    }

    /// Keeps a picture of what is seen, for people: `target/screenshots/NAME.png`.
    pub(crate) fn screenshot(&mut self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for screenshots");
        let path = folder.join(name).with_extension("png");
        self.ask(json!({ "op": "screenshot", "path": path }));
    }

    /// Asserts that the page had no errors and fetched nothing from anywhere else.
    #[track_caller]
    pub(crate) fn assert_clean(&mut self) {
        let reply = self.ask(json!({ "op": "complaints" }));
        assert_eq!(reply["severe"], json!([]), "the browser complains");
        let fetched = reply["fetched"].as_array().expect("a list");
        let foreign = fetched.iter().filter(|url| !text(url).starts_with(&self.base));
        assert_eq!(foreign.count(), 0, "{fetched:#?}");
    }

    #[track_caller]
    fn ask(&mut self, request: Value) -> Value {
        self.process.ask(&request)
    }
}

fn tool(variable: &str, default: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(path.exists(), "no {}: run `cargo xtask test`", path.display());
    path
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
