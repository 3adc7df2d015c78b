//! TLS of our own as an operator sets it up, with an independent charge point: security profiles 2
//! and 3 (TC_083, TC_085 to TC_087).

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::harness::{ChargePoint, Settings, TestCsms, eventually};
use crate::messages::{boot, prepare};

/// The files of one server, in a folder of their own.
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        files.renew();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server's certificate from an authority that is new as well.
    fn renew(&self) {
        let authority_key = KeyPair::generate().expect("a key");
        let mut params = named("A public authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&authority_key).expect("a root");
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().expect("a key");
        let mut server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("parameters");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let certificate = server.signed_by(&key, &issuer).expect("a certificate");
        self.write("authority.pem", &root.pem());
        self.write("server.pem", &certificate.pem());
        self.write("server.key", &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn csms(&self) -> TestCsms {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let arguments = vec![
            "--tls-certificate".to_owned(),
            text(&self.path("server.pem")),
            "--tls-key".to_owned(),
            text(&self.path("server.key")),
            "--tls-listen".to_owned(),
            "127.0.0.1:0".to_owned(),
            // Others' roots do not shut out whom the server's own authority has signed.
            "--tls-client-authority".to_owned(),
            text(&self.path("authority.pem")),
        ];
        let csms = TestCsms::start_with(Settings { arguments, ..Settings::default() });
        prepare(&csms, &["CP-1"]);
        csms
    }

    /// Connects over TLS, with a certificate or with a password.
    fn connect(&self, csms: &TestCsms, station: &mut ChargePoint, by_certificate: bool) -> Value {
        let mut tls = json!({ "authority": self.path("authority.pem") });
        let mut changes = json!({ "url": csms.ocpp_over_tls_url() });
        if by_certificate {
            tls["certificate"] = json!(self.path("station.pem"));
            tls["key"] = json!(self.path("station.key"));
            changes["password"] = Value::Null;
        }
        changes["tls"] = tls;
        station.try_connect(csms, changes)
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Waits until the station has come with this profile.
fn profile_once(csms: &TestCsms, profile: u8) {
    eventually("the security profile", || {
        let station = csms.get("/v1/stations/CP-1").expect(200).json();
        (station["security_profile"] == profile).then_some(())
    });
}

/// TC_083, TC_086, TC_087: from a password without TLS over a password with it to a certificate,
/// which comes from the server itself; and no way back.
#[test]
fn a_station_is_raised_to_profile_2_and_3() {
    let files = Files::new();
    let csms = files.csms();
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    let raise = |station: &mut ChargePoint, profile: &str| {
        station.will_answer("ChangeConfiguration", json!({ "status": "Accepted" }));
        let payload = json!({ "key": "SecurityProfile", "value": profile }).to_string();
        let path = "/v1/stations/CP-1/ocpp/ChangeConfiguration";
        csms.send("POST", path, &[("Prefer", "wait=30")], &payload).expect(200);
    };
    raise(&mut station, "2");
    assert_eq!(files.connect(&csms, &mut station, false)["subprotocol"], "ocpp1.6");
    profile_once(&csms, 2);
    assert_eq!(station.try_connect(&csms, json!({})), json!({ "status": 403 }));

    assert_eq!(files.connect(&csms, &mut station, false)["subprotocol"], "ocpp1.6");
    let key = KeyPair::generate().expect("a key");
    let csr = named("CP-1").serialize_request(&key).expect("a request").pem().expect("PEM");
    station.will_answer("CertificateSigned", json!({ "status": "Accepted" }));
    assert_eq!(station.call("SignCertificate", json!({ "csr": csr }))["status"], "Accepted");
    let call = eventually("CertificateSigned", || {
        let calls = station.received_calls();
        calls.into_iter().find(|call| call["action"] == "CertificateSigned")
    });
    files.write("station.pem", call["payload"]["certificateChain"].as_str().expect("a chain"));
    files.write("station.key", &key.serialize_pem());
    raise(&mut station, "3");
    assert_eq!(files.connect(&csms, &mut station, true)["subprotocol"], "ocpp1.6");
    profile_once(&csms, 3);
    assert_eq!(files.connect(&csms, &mut station, false), json!({ "status": 403 }));

    let certificates = "/v1/stations/CP-1/certificates";
    let own = || csms.get(certificates).expect(200).json()["own"][0].clone();
    let path = format!("{certificates}/{}", own()["serial_number"].as_str().expect("a number"));
    csms.send("DELETE", &path, &[], "").expect(200);
    assert_eq!(files.connect(&csms, &mut station, true), json!({ "status": 401 }));
    csms.send("DELETE", &path, &[], "").expect(404);
    eventually("its withdrawal", || (own()["status"] == "withdrawn").then_some(()));
}

/// A new certificate of the server's is taken over without a restart; one that cannot be read
/// changes nothing.
#[cfg(unix)]
#[test]
fn the_certificate_is_renewed_while_the_server_runs() {
    let files = Files::new();
    let csms = files.csms();
    let mut station = ChargePoint::new("CP-1");
    assert_eq!(files.connect(&csms, &mut station, false)["subprotocol"], "ocpp1.6");
    files.renew();
    let reply = files.connect(&csms, &mut station, false);
    assert!(reply.get("no_tls").is_some(), "the old one is of another authority: {reply}");
    csms.hang_up();
    eventually("the new certificate", || {
        let reply = files.connect(&csms, &mut station, false);
        (reply["subprotocol"] == "ocpp1.6").then_some(())
    });
    files.write("server.pem", "nothing");
    csms.hang_up();
    eventually("the complaint", || {
        let lines = csms.log();
        lines.into_iter().find(|line| line.contains("the certificates of TLS stay as they were"))
    });
    assert_eq!(files.connect(&csms, &mut station, false)["subprotocol"], "ocpp1.6");
}
