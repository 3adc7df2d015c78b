//! A PostgreSQL of the tests' own: a fresh cluster on a free loopback port, stopped afterwards.
//!
//! `initdb` and `postgres` refuse to run as root, so there they run as the user `postgres`.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::provision::{Tools, is_root};
use crate::steps;

const USER: &str = "postgres";
const READY_WITHIN: Duration = Duration::from_secs(60);
const PORT_ATTEMPTS_MAX: usize = 5;

/// A running server. Dropping it stops the server too, but only [`Postgres::stop`] reports.
pub(crate) struct Postgres {
    bin: PathBuf,
    account: Account,
    data: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Makes a fresh cluster and starts it; returns when it answers.
    pub(crate) fn start(root: &Path, tools: &Tools) -> Result<Self> {
        let account = Account::choose()?;
        let data = account.reachable_folder(root)?.join("data");
        let bin = tools.postgres_bin.clone();
        let mut postgres = Self { bin, account, data, port: 0, server: None };
        postgres.clear_leftovers()?;
        postgres.create_cluster()?;
        let mut attempt = 1;
        while let Err(error) = postgres.launch() {
            if attempt == PORT_ATTEMPTS_MAX {
                return Err(error.context("PostgreSQL does not start"));
            }
            attempt += 1;
        }
        Ok(postgres)
    }

    /// The address for clients, with the superuser of this cluster.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Asks one question through `psql` and returns the bare answer.
    pub(crate) fn ask(&self, question: &str) -> Result<String> {
        steps::output(
            Command::new(self.bin.join("psql"))
                .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", question])
                .arg(self.url()),
        )
    }

    /// Stops the server in order and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.stop_server("fast")
    }

    fn clear_leftovers(&self) -> Result<()> {
        if !self.data.exists() {
            return Ok(());
        }
        if self.data.join("postmaster.pid").exists() {
            // A run that was killed left its server; if that is gone too, this fails harmlessly.
            let _ = steps::output(&mut self.pg_ctl_stop("immediate"));
        }
        std::fs::remove_dir_all(&self.data).context("cannot clear the old PostgreSQL data")
    }

    fn create_cluster(&self) -> Result<()> {
        steps::output(
            self.account
                .command(&self.bin.join("initdb"))
                .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
                .arg(format!("--username={USER}"))
                .arg("--pgdata")
                .arg(&self.data),
        )?;
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        self.port = free_port()?;
        let log = std::fs::File::create(self.data.with_file_name("postgres.log"))
            .context("cannot create PostgreSQL's log")?;
        let mut command = self.account.command(&self.bin.join("postgres"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", &format!("port={}", self.port)])
            // The tests kill processes, never the machine, so the disk may lag behind.
            .args(["-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.server = Some(command.spawn().context("cannot start postgres")?);
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            if self.ask("select 1").is_ok() {
                return Ok(());
            }
            if let Some(server) = &mut self.server
                && let Some(status) = server.try_wait().context("cannot watch postgres")?
            {
                self.server = None;
                bail!("postgres ended with {status} (see postgres.log beside its data)");
            }
            if begun.elapsed() > READY_WITHIN {
                bail!("postgres does not answer after {} s", READY_WITHIN.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop_server(&mut self, mode: &str) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        let asked = steps::output(&mut self.pg_ctl_stop(mode));
        if asked.is_err() {
            server.kill().context("cannot end postgres")?;
        }
        server.wait().context("cannot wait for postgres")?;
        asked.map(|_| ())
    }

    fn pg_ctl_stop(&self, mode: &str) -> Command {
        let mut command = self.account.command(&self.bin.join("pg_ctl"));
        command.args(["stop", "--wait", "--silent", "--mode", mode, "--pgdata"]).arg(&self.data);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop_server("immediate") {
            eprintln!("PostgreSQL did not stop: {error:#}");
        }
    }
}

/// Whose rights PostgreSQL runs with.
enum Account {
    /// The present user, who is not root.
    Own,
    /// The user `postgres`, because we are root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    fn choose() -> Result<Self> {
        if !is_root() {
            return Ok(Self::Own);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let (uid, gid) = ids_of(&passwd, USER).with_context(|| {
            format!("no user `{USER}`, which PostgreSQL needs where we are root")
        })?;
        Ok(Self::Other { uid, gid })
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { uid, gid } = *self {
            // A folder that the account may not enter would only draw complaints.
            command.uid(uid).gid(gid).current_dir("/");
        }
        command
    }

    /// A folder of the account's own under `target/`, or beside the temporary files where the
    /// checkout lies in a home that only root may enter.
    fn reachable_folder(&self, root: &Path) -> Result<PathBuf> {
        let under_target = root.join("target/test-postgres");
        let name = root.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "-");
        let under_temporary = std::env::temp_dir().join(format!("test-postgres{name}"));
        for folder in [under_target, under_temporary] {
            std::fs::create_dir_all(&folder).context("cannot create PostgreSQL's folder")?;
            std::fs::set_permissions(&folder, Permissions::from_mode(0o700))
                .context("cannot close PostgreSQL's folder to others")?;
            if let Self::Other { uid, gid } = *self {
                chown(&folder, Some(uid), Some(gid)).context("cannot hand over the folder")?;
            }
            let probe = folder.join("probe");
            let written = steps::output(self.command(Path::new("touch")).arg(&probe)).is_ok();
            if written {
                std::fs::remove_file(&probe).context("cannot remove a probe file")?;
                return Ok(folder);
            }
        }
        bail!("the user `{USER}` can write neither under target/ nor to the temporary folder")
    }
}

fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free loopback port")?;
    Ok(listener.local_addr().context("no address of the free port")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_the_right_line() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql-exporter:x:7:8::/:/bin/sh\n\
                      postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(ids_of(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(passwd, "nobody"), None);
    }
}
