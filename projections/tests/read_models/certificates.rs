//! The certificates that a station holds, from what its answers to commands say, and its own.

use crate::history::{History, at, caught_up, identity, station_id, uuid};
use chargebook_domain::events::v1::{
    CertificateDeclined, CertificateHash, CommandRequested, InstalledCertificate, Intent,
    IssuedCertificate, StationCertificateDeleted, StationCertificateDelivered,
    StationCertificateInstalled, StationCertificateRequested, StationCertificateWithdrawn,
    StationCertificatesReported,
};
use chargebook_domain::ids::{CommandId, EventId};
use chargebook_projections::{OwnCertificateStatus, ReadModels, RebuildOptions, rebuild};
use chargebook_store::StreamName;

const CSMS: &str = "CSMSRootCertificate";
const MAKER: &str = "ManufacturerRootCertificate";

fn hash(algorithm: &str, serial_number: &str) -> CertificateHash {
    CertificateHash {
        hash_algorithm: algorithm.to_owned(),
        issuer_name_hash: format!("name by {algorithm}"),
        issuer_key_hash: None,
        serial_number: serial_number.to_owned(),
    }
}

fn certificate(purpose: &str, hash: CertificateHash) -> InstalledCertificate {
    InstalledCertificate { purpose: purpose.to_owned(), hash }
}

/// The stream of a command to station 1.
async fn command(history: &mut History) -> StreamName {
    let command_id = CommandId(uuid(10, 1));
    let stream = StreamName::of("command", command_id.0);
    let requested = CommandRequested {
        command_id,
        station_id: station_id(1),
        station: identity(1),
        intent: Intent::ClearCache,
        expires_at: at(60),
        waits: true,
    };
    history.write(stream.clone(), requested).await;
    stream
}

/// Purpose, serial number, and how many seconds after the morning's beginning it was installed
/// and reported.
async fn held(models: &ReadModels) -> Vec<(String, String, Option<i64>, Option<i64>)> {
    let seconds =
        |time: chargebook_domain::units::Timestamp| (time.utc() - at(0).utc()).num_seconds();
    let held = models.station_certificates("CP-1").await.unwrap().unwrap().trusted;
    let of = held.into_iter().map(|held| {
        let InstalledCertificate { purpose, hash } = held.certificate;
        let (installed, reported) = (held.installed_at.map(seconds), held.reported_at.map(seconds));
        (purpose, hash.serial_number, installed, reported)
    });
    of.collect()
}

fn row(
    purpose: &str,
    serial: &str,
    installed: Option<i64>,
    reported: Option<i64>,
) -> (String, String, Option<i64>, Option<i64>) {
    (purpose.to_owned(), serial.to_owned(), installed, reported)
}

#[tokio::test]
async fn a_station_holds_what_it_accepted_and_listed_and_not_what_it_deleted() {
    let exchange = EventId(uuid(8, 1));
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let running = caught_up(&history, folder.path()).await;
    assert!(running.models.station_certificates("CP-9").await.unwrap().is_none());
    assert_eq!(held(&running.models).await, []);

    let stream = command(&mut history).await;
    history.pass(10);
    for (purpose, serial) in [(CSMS, "0A"), (MAKER, "0B")] {
        let certificate = certificate(purpose, hash("SHA256", serial));
        let fact = StationCertificateInstalled { certificate, exchange };
        history.write(stream.clone(), fact).await;
    }
    running.reach(history.head()).await;
    let installed = [row(CSMS, "0A", Some(10), None), row(MAKER, "0B", Some(10), None)];
    assert_eq!(held(&running.models).await, installed);

    // A list of one purpose: what it does not name of that purpose is gone, the rest stays. The
    // station may hash in its own way, and still names the certificate that came from us.
    history.pass(10);
    let certificates =
        vec![certificate(CSMS, hash("SHA512", "A")), certificate(CSMS, hash("SHA512", "C"))];
    let purposes = vec![CSMS.to_owned()];
    let fact = StationCertificatesReported { purposes, certificates, exchange };
    history.write(stream.clone(), fact).await;
    running.reach(history.head()).await;
    let listed = [
        row(MAKER, "0B", Some(10), None),
        row(CSMS, "A", Some(10), Some(20)),
        row(CSMS, "C", None, Some(20)),
    ];
    assert_eq!(held(&running.models).await, listed);

    history.pass(10);
    let fact = StationCertificateDeleted { certificate: hash("SHA512", "C"), exchange };
    history.write(stream.clone(), fact).await;
    running.reach(history.head()).await;
    assert_eq!(held(&running.models).await, listed[..2]);

    running.crash().await;
    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert!(report.comparison.unwrap().is_equal());
    let running = caught_up(&history, folder.path()).await;
    let (certificates, purposes) = (Vec::new(), Vec::new());
    let fact = StationCertificatesReported { purposes, certificates, exchange };
    history.write(stream, fact).await;
    running.reach(history.head()).await;
    assert_eq!(held(&running.models).await, [], "a list of everything");
}

/// Serial number, and how far it is.
async fn own(models: &ReadModels) -> Vec<(Option<String>, OwnCertificateStatus)> {
    let known = models.station_certificates("CP-1").await.unwrap().unwrap();
    known.own.into_iter().map(|own| (own.serial_number, own.status)).collect()
}

#[tokio::test]
async fn a_stations_own_certificate_is_followed_from_its_request_to_its_answer() {
    use OwnCertificateStatus::{Accepted, Declined, Rejected, Signed, Withdrawn};
    let exchange = EventId(uuid(8, 1));
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new();
    history.station(1, None).await;
    let running = caught_up(&history, folder.path()).await;
    let requested = |issued, declined| StationCertificateRequested {
        csr: "PEM".to_owned(),
        exchange,
        kind: None,
        request_id: None,
        issued,
        declined,
    };
    let month = History::station_stream(1);
    let declined = requested(None, Some(CertificateDeclined::UnsuitableKey));
    history.write(month.clone(), declined).await;
    let issued = |serial: &str| IssuedCertificate {
        command_id: CommandId(uuid(10, 1)),
        certificate_chain: "PEM".to_owned(),
        serial_number: serial.to_owned(),
        not_after: at(1_000),
    };
    history.write(month.clone(), requested(Some(issued("a")), None)).await;
    running.reach(history.head()).await;
    let named = |serial: &str| Some(serial.to_owned());
    assert_eq!(own(&running.models).await, [(named("a"), Signed), (None, Declined)]);

    let stream = command(&mut history).await;
    let told = |serial: &str, accepted| StationCertificateDelivered {
        accepted,
        kind: None,
        serial_number: serial.to_owned(),
        not_after: at(1_000),
        exchange,
    };
    history.write(stream.clone(), told("a", true)).await;
    // An operator sent this one in OCPP's words.
    history.write(stream.clone(), told("b", false)).await;
    // A list of the certificates that it trusts says nothing of its own.
    let (certificates, purposes) = (Vec::new(), Vec::new());
    let listed = StationCertificatesReported { purposes, certificates, exchange };
    history.write(stream.clone(), listed).await;
    running.reach(history.head()).await;
    let expected = [(named("b"), Rejected), (named("a"), Accepted), (None, Declined)];
    assert_eq!(own(&running.models).await, expected);

    let withdrawn = StationCertificateWithdrawn { serial_number: "a".to_owned(), at: None };
    history.write(month, withdrawn).await;
    // An answer that comes late brings it back to nobody.
    history.write(stream, told("a", true)).await;
    running.reach(history.head()).await;
    let expected = [(named("a"), Withdrawn), (named("b"), Rejected), (None, Declined)];
    assert_eq!(own(&running.models).await, expected);

    running.crash().await;
    let report =
        rebuild(history.store(), folder.path(), RebuildOptions::default(), |_| {}).await.unwrap();
    assert!(report.comparison.unwrap().is_equal());
}
