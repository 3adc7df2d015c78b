//! Makes the tools of the tests ready: PostgreSQL, Chromium with its driver, a Python venv,
//! Node.js with its packages, nginx and strace.
//!
//! As root on Debian what is missing is installed with `apt-get`; anywhere else one line says what
//! to install. Nothing is ever skipped. Whether a tool is there is found out by running it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::steps;

/// Where each tool was found.
pub(crate) struct Tools {
    /// The interpreter of the venv with the packages of `tests/python/requirements.txt`.
    pub(crate) python: PathBuf,
    /// The browser of the console's tests.
    pub(crate) chromium: PathBuf,
    /// The WebDriver server that matches the browser.
    pub(crate) chromedriver: PathBuf,
    /// The packages of `tests/node/package-lock.json`.
    pub(crate) node_packages: PathBuf,
    /// The folder with `initdb`, `postgres`, `pg_ctl` and `psql`.
    pub(crate) postgres_bin: PathBuf,
}

const VENV: &str = "target/test-venv";
const REQUIREMENTS: &str = "tests/python/requirements.txt";
const NODE_FOLDER: &str = "target/test-node";
const NODE_MANIFESTS: &str = "tests/node";
const NODE_LOCK: &str = "package-lock.json";
const CHROMIUM_NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
const POSTGRES_PROGRAMS: &[&str] = &["initdb", "postgres", "pg_ctl", "psql"];

/// Finds every tool, installing what is missing where that is possible.
pub(crate) fn provision(root: &Path) -> Result<Tools> {
    rust_component("fmt", "rustfmt")?;
    rust_component("clippy", "clippy")?;
    let missing = missing_packages();
    if !missing.is_empty() {
        install(&missing)?;
    }
    let still_missing = missing_packages();
    if !still_missing.is_empty() {
        bail!("installed, but they do not run: {}", still_missing.join(", "));
    }
    let tools = Tools {
        python: python_venv(root)?,
        node_packages: node_packages(root)?,
        chromium: chromium().context("no Chromium")?,
        chromedriver: program_in_path("chromedriver").context("no chromedriver")?,
        postgres_bin: postgres_bin().context("no PostgreSQL server")?,
    };
    println!("python        {}", tools.python.display());
    println!("node packages {}", tools.node_packages.display());
    println!("chromium      {}", tools.chromium.display());
    println!("chromedriver  {}", tools.chromedriver.display());
    println!("postgresql    {}", tools.postgres_bin.display());
    Ok(tools)
}

/// True where this process may install packages and write as another user.
pub(crate) fn is_root() -> bool {
    steps::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// The Debian packages whose tools do not run here.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if postgres_bin().is_none() {
        missing.push("postgresql");
    }
    if chromium().is_none() {
        missing.push("chromium");
    }
    if program_in_path("chromedriver").is_none() {
        missing.push("chromium-driver");
    }
    if program_in_path("strace").is_none() {
        missing.push("strace");
    }
    // On Debian `venv` is importable without `ensurepip`, but makes no usable environment.
    if !runs(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        missing.push("python3-venv");
    }
    // It knows no long option, and prints its version to a channel of its own.
    if !runs(Command::new("nginx").arg("-v")) {
        missing.push("nginx-light");
    }
    if program_in_path("node").is_none() {
        missing.push("nodejs");
    }
    if program_in_path("npm").is_none() {
        missing.push("npm");
    }
    missing
}

fn install(packages: &[&str]) -> Result<()> {
    if !is_root() || program_in_path("apt-get").is_none() {
        bail!("install these first (Debian's names): {}", packages.join(" "));
    }
    if apt_install(packages).is_err() {
        steps::run(Command::new("apt-get").args(["update", "--quiet"]))?;
        apt_install(packages)?;
    }
    Ok(())
}

fn apt_install(packages: &[&str]) -> Result<()> {
    steps::run(
        Command::new("apt-get")
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Keep Debian's scripts from starting a PostgreSQL of their own at installation.
            .env("RUNLEVEL", "1"),
    )
}

/// The venv's interpreter, once every pinned package answers with its version.
fn python_venv(root: &Path) -> Result<PathBuf> {
    let venv = root.join(VENV);
    let python = venv.join("bin/python");
    let requirements = root.join(REQUIREMENTS);
    if pins_hold(&python, &requirements) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    steps::run(make.args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut fill = Command::new(&python);
    steps::run(fill.args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    if !pins_hold(&python, &requirements) {
        bail!("{VENV} does not hold what {REQUIREMENTS} pins");
    }
    Ok(python)
}

fn pins_hold(python: &Path, requirements: &Path) -> bool {
    const COMPARE: &str = "
import importlib.metadata, sys
import ocpp.v16, selenium, websockets
lines = [line.strip() for line in open(sys.argv[1])]
pins = [line.split('==') for line in lines if line and not line.startswith('#')]
sys.exit(any(importlib.metadata.version(name) != version for name, version in pins))
";
    runs(Command::new(python).args(["-c", COMPARE]).arg(requirements))
}

/// The folder of the Node.js packages, once each is there as it is locked.
fn node_packages(root: &Path) -> Result<PathBuf> {
    let manifests = root.join(NODE_MANIFESTS);
    let folder = root.join(NODE_FOLDER);
    let packages = folder.join("node_modules");
    if locks_hold(&folder, &manifests.join(NODE_LOCK)) {
        return Ok(packages);
    }
    std::fs::create_dir_all(&folder).context("cannot create the folder for Node.js packages")?;
    for manifest in ["package.json", NODE_LOCK] {
        std::fs::copy(manifests.join(manifest), folder.join(manifest))
            .with_context(|| format!("cannot copy {NODE_MANIFESTS}/{manifest}"))?;
    }
    // `ci` takes what is locked, by its digest, or fails; no package runs anything of its own.
    let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    steps::run(Command::new("npm").args(quiet).current_dir(&folder))?;
    if !locks_hold(&folder, &manifests.join(NODE_LOCK)) {
        bail!("{NODE_FOLDER} does not hold what {NODE_MANIFESTS}/{NODE_LOCK} locks");
    }
    Ok(packages)
}

fn locks_hold(folder: &Path, lock: &Path) -> bool {
    const COMPARE: &str = "
const [folder, lock] = process.argv.slice(1);
const locked = Object.entries(require(lock).packages).filter(([path]) => path !== '');
const installed = (path) => require(`${folder}/${path}/package.json`).version;
process.exit(locked.every(([path, { version }]) => installed(path) === version) ? 0 : 1);
";
    runs(Command::new("node").args(["-e", COMPARE]).args([folder, lock]))
}

fn chromium() -> Option<PathBuf> {
    CHROMIUM_NAMES.iter().find_map(|name| program_in_path(name))
}

/// Debian keeps the server's programs out of the search path, in a folder per version.
fn postgres_bin() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    folders.reverse();
    folders.extend(std::env::split_paths(&in_path));
    folders.into_iter().find(|folder| {
        POSTGRES_PROGRAMS.iter().all(|name| runs(Command::new(folder.join(name)).arg("--version")))
    })
}

fn program_in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file() && runs(Command::new(program).arg("--version")))
}

fn rust_component(subcommand: &str, component: &str) -> Result<()> {
    let works = || runs(steps::cargo().args([subcommand, "--version"]));
    if works() || (install_component(component) && works()) {
        return Ok(());
    }
    bail!("install this first: rustup component add {component}");
}

fn install_component(component: &str) -> bool {
    runs(Command::new("rustup").args(["component", "add", component]))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_only_if_it_runs() {
        assert!(program_in_path("sh-that-nobody-has").is_none());
        assert!(runs(&mut Command::new("true")));
        assert!(!runs(&mut Command::new("false")));
    }

    #[test]
    fn a_venv_that_lacks_a_pin_is_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let requirements = folder.path().join("requirements.txt");
        std::fs::write(&requirements, "# a comment\nno-such-package==1.0\n").unwrap();
        assert!(!pins_hold(Path::new("python3"), &requirements));
    }

    #[test]
    fn a_folder_that_lacks_a_locked_package_is_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join(NODE_LOCK);
        let locked = |packages: &str| {
            std::fs::write(&lock, format!(r#"{{ "packages": {{ {packages} }} }}"#)).unwrap();
            locks_hold(folder.path(), &lock)
        };
        let package = folder.path().join("node_modules/some");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("package.json"), r#"{ "version": "1.0.0" }"#).unwrap();
        assert!(locked(r#""": {}, "node_modules/some": { "version": "1.0.0" }"#));
        assert!(!locked(r#""node_modules/some": { "version": "1.0.1" }"#));
        assert!(!locked(r#""node_modules/other": { "version": "1.0.0" }"#));
    }
}
