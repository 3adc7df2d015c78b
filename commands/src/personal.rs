//! Sealing personal data before it reaches the log, opening it for who may read it, and the
//! keyed hashes under which things are found again without naming them.

use crate::clock::uuid_from;
use crate::message::{PERSONAL_PLACES_MAX, Personal, PersonalKind, PersonalPlace};
use chargebook_domain::events::v1::{Intent, ReportTopic, ReportedEvent};
use chargebook_domain::ids::{
    ConnectorNumber, EvseNumber, ReportPartKey, ReportedEventKey, ReservationId, SessionId,
    StationId, SubjectId, TransactionNumber,
};
use chargebook_domain::sealed::{
    HOLE_PLACEHOLDER, Hole, Part, SEALED_PARTS_MAX, SealedText, TextKind,
};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::LookupKey;
use chargebook_store::vault::{KeyVault, VaultError};
use std::sync::Arc;

/// How many times the same card may be erased and come again as a new subject.
const SUBJECT_GENERATIONS_MAX: u32 = 64;
/// No uid is longer, in bytes: OCPP's longest has 255 characters (2.1: identifierString[255]).
const UID_BYTES_MAX: usize = 1024;

/// The vault, in the domain's words.
#[derive(Clone)]
pub struct PersonalData {
    vault: Arc<KeyVault>,
}

impl PersonalData {
    /// Over a vault.
    pub fn new(vault: Arc<KeyVault>) -> Self {
        Self { vault }
    }

    /// The vault itself.
    pub fn vault(&self) -> &Arc<KeyVault> {
        &self.vault
    }

    fn key(&self, purpose: &str, parts: &[&[u8]]) -> LookupKey {
        let hash = self.vault.keyed_hash(purpose, parts);
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        LookupKey(key)
    }

    /// Finds a station's current month by its name.
    pub fn station_key(&self, identity: &str) -> LookupKey {
        self.key("station", &[identity.as_bytes()])
    }

    /// Finds a station by its name in whatever case: an OCPP 2.x identity is an identifierString,
    /// which has no case (Part 2, primitive data types).
    pub fn station_key_in_any_case(&self, identity: &str) -> LookupKey {
        self.key("station-in-any-case", &[identity.to_ascii_lowercase().as_bytes()])
    }

    /// Finds a station by the serial number that an operator knows it by, in whatever case: in 1.6
    /// it has none.
    pub fn serial_number_key(&self, serial_number: &str) -> LookupKey {
        self.key("station-serial-number", &[serial_number.to_ascii_lowercase().as_bytes()])
    }

    /// Finds a token by its uid, which is case-insensitive (OCPP 1.6 CiString20Type).
    pub fn token_key(&self, uid: &str) -> LookupKey {
        self.key("token", &[folded(uid).as_bytes()])
    }

    /// Finds a session by station and transaction id.
    pub fn transaction_key(&self, station: StationId, id: TransactionNumber) -> LookupKey {
        self.key("transaction", &[station.0.as_bytes(), &id.0.to_be_bytes()])
    }

    /// Finds a session by its transaction id, whatever the station.
    pub fn any_transaction_key(&self, id: TransactionNumber) -> LookupKey {
        self.key("any-transaction", &[&id.0.to_be_bytes()])
    }

    /// Finds the latest session at a connector.
    pub fn connector_key(&self, station: StationId, connector: ConnectorNumber) -> LookupKey {
        self.key("connector", &[station.0.as_bytes(), &connector.0.to_be_bytes()])
    }

    /// Finds the session at a connector that was refused and has drawn energy last (1.6).
    pub fn refused_key(&self, station: StationId, connector: ConnectorNumber) -> LookupKey {
        self.key("refused", &[station.0.as_bytes(), &connector.0.to_be_bytes()])
    }

    /// Finds the latest session at an EVSE (2.x).
    pub fn evse_key(&self, station: StationId, evse: EvseNumber) -> LookupKey {
        self.key("evse", &[station.0.as_bytes(), &evse.0.to_be_bytes()])
    }

    /// Finds the latest session of a 2.x transaction id.
    pub fn named_transaction_key(&self, station: StationId, name: &str) -> LookupKey {
        self.key("named-transaction", &[station.0.as_bytes(), name.as_bytes()])
    }

    /// The session of a 2.x transaction: the same id gives the same session, but for stations
    /// that use one again; `occurrence` counts those.
    pub fn session_id_of_name(&self, station: StationId, name: &str, occurrence: u32) -> SessionId {
        let hash = self.vault.keyed_hash(
            "named-session",
            &[station.0.as_bytes(), name.as_bytes(), &occurrence.to_be_bytes()],
        );
        SessionId(uuid_from(&hash))
    }

    /// Finds the command that began charging with a payment, by the payment's reference.
    pub fn payment_key(&self, station: StationId, reference: &str) -> LookupKey {
        self.key("payment", &[station.0.as_bytes(), folded(reference).as_bytes()])
    }

    /// Finds the command that a station reports on: by the number that it was given or, where it
    /// was given none, as the latest of its topic that the station has taken on.
    pub fn report_key(
        &self,
        station: StationId,
        topic: ReportTopic,
        request_id: Option<i32>,
    ) -> LookupKey {
        let topic = topic.word().as_bytes();
        let number = request_id.map(i32::to_be_bytes);
        let number: &[u8] = number.as_ref().map_or(&[], |number| number);
        self.key("report", &[station.0.as_bytes(), topic, number])
    }

    /// What a part of a report is known by: the payload, word for word.
    pub fn report_part_key(&self, station: StationId, payload: &str) -> ReportPartKey {
        let parts = [station.0.as_bytes().as_slice(), payload.as_bytes()];
        ReportPartKey(uuid_from(&self.vault.keyed_hash("report-part", &parts)))
    }

    /// Finds the command that made the latest reservation of a number at a station.
    pub fn reservation_key(&self, station: StationId, id: ReservationId) -> LookupKey {
        self.key("reservation", &[station.0.as_bytes(), &id.0.to_be_bytes()])
    }

    /// Finds the session that took an orphaned stop in.
    pub fn adoption_key(&self, exchange: chargebook_domain::ids::EventId) -> LookupKey {
        self.key("adopted", &[exchange.0.as_bytes()])
    }

    /// Finds where a person dismissed what a station had told in that exchange.
    pub fn dismissal_key(&self, exchange: chargebook_domain::ids::EventId) -> LookupKey {
        self.key("dismissed", &[exchange.0.as_bytes()])
    }

    /// Finds where a refused message was read again.
    pub fn reread_key(&self, exchange: chargebook_domain::ids::EventId) -> LookupKey {
        self.key("reread", &[exchange.0.as_bytes()])
    }

    /// What something that a station reported is known by: all that it said of it.
    pub fn reported_event_key(
        &self,
        station: StationId,
        event: &ReportedEvent<String>,
    ) -> ReportedEventKey {
        // All members can be written, and the map keys are texts.
        let said = serde_json::to_vec(event).unwrap_or_default();
        let hash = self.vault.keyed_hash("reported-event", &[station.0.as_bytes(), &said]);
        ReportedEventKey(uuid_from(&hash))
    }

    /// Finds a registered thing by its name in the API.
    pub fn name_key(&self, kind: &'static str, name: &str) -> LookupKey {
        self.key(kind, &[name.as_bytes()])
    }

    /// The session that a 1.6 start begins: the same start gives the same session, whenever
    /// and however often it comes.
    pub fn session_id(
        &self,
        station: StationId,
        connector: ConnectorNumber,
        id_tag: &str,
        started_at: Timestamp,
        meter_start: WattHours,
    ) -> SessionId {
        let hash = self.vault.keyed_hash(
            "session",
            &[
                station.0.as_bytes(),
                &connector.0.to_be_bytes(),
                folded(id_tag).as_bytes(),
                &started_at.as_millis().to_be_bytes(),
                meter_start.to_string().as_bytes(),
            ],
        );
        SessionId(uuid_from(&hash))
    }

    /// Whose key seals a token's uid. After an erasure the same card is somebody new.
    pub async fn token_subject(&self, uid: &str) -> Result<SubjectId, VaultError> {
        Ok(self.token_subjects(uid).await?.0)
    }

    /// The same, and who it was when it was erased last.
    pub async fn token_subjects(
        &self,
        uid: &str,
    ) -> Result<(SubjectId, Option<SubjectId>), VaultError> {
        let mut erased = None;
        for generation in 0..SUBJECT_GENERATIONS_MAX {
            let subject = self.token_subject_of(uid, generation);
            if !self.vault.is_erased(subject.0).await? {
                return Ok((subject, erased));
            }
            erased = Some(subject);
        }
        Err(VaultError::Erased)
    }

    fn token_subject_of(&self, uid: &str, generation: u32) -> SubjectId {
        let parts = [folded(uid).into_bytes(), generation.to_be_bytes().to_vec()];
        SubjectId(uuid_from(&self.vault.keyed_hash("token-subject", &[&parts[0], &parts[1]])))
    }

    /// Whether a text is the uid of the token that a subject is.
    pub(crate) fn is_uid_of(&self, text: &str, subject: SubjectId) -> bool {
        let is_short = text.len() <= UID_BYTES_MAX;
        is_short
            && (0..SUBJECT_GENERATIONS_MAX)
                .any(|generation| self.token_subject_of(text, generation) == subject)
    }

    /// One hole with the whole text, under a subject's key.
    pub async fn seal(&self, subject: SubjectId, text: &str) -> Result<SealedText, VaultError> {
        self.vault.ensure_subjects(&[subject.0]).await?;
        Ok(SealedText::hole(self.hole(subject, text)?))
    }

    fn hole(&self, subject: SubjectId, text: &str) -> Result<Hole, VaultError> {
        let sealed = self.vault.seal(subject.0, text)?;
        Ok(Hole { ciphertext: sealed.ciphertext, commitment: sealed.commitment, subject })
    }

    /// Seals a token's uid under the token's subject.
    pub async fn seal_uid(&self, uid: &str) -> Result<SealedText, VaultError> {
        let subject = self.token_subject(uid).await?;
        self.seal(subject, uid).await
    }

    /// Seals the personal places of a frame; `station` owns what is nobody else's.
    pub async fn seal_frame(
        &self,
        station: StationId,
        text: &str,
        personal: &Personal,
    ) -> Result<SealedText, VaultError> {
        let station = SubjectId(station.0);
        let places = match personal {
            Personal::Places(places) if places.is_empty() => return Ok(SealedText::plain(text)),
            Personal::Places(places) if places.len() <= PERSONAL_PLACES_MAX => places,
            _ if text.is_empty() => return Ok(SealedText::plain(text)),
            _ => return self.seal(station, text).await,
        };
        let mut subjects = Vec::with_capacity(places.len());
        for place in places {
            subjects.push(match &place.kind {
                PersonalKind::IdTag(uid) => self.token_subject(uid).await?,
                PersonalKind::FreeText => station,
            });
        }
        let ids: Vec<_> = subjects.iter().map(|subject| subject.0).collect();
        self.vault.ensure_subjects(&ids).await?;
        match self.cut(text, places, &subjects)? {
            Some(sealed) => Ok(sealed),
            None => self.seal(station, text).await,
        }
    }

    /// `None` where the places do not fit the text: then nobody can say what is personal.
    fn cut(
        &self,
        text: &str,
        places: &[PersonalPlace],
        subjects: &[SubjectId],
    ) -> Result<Option<SealedText>, VaultError> {
        let mut parts = Vec::with_capacity(places.len() * 2 + 1);
        let mut plain_from = 0;
        for (place, subject) in places.iter().zip(subjects) {
            let plain = text.get(plain_from..place.range.start);
            let (Some(plain), Some(inside)) = (plain, text.get(place.range.clone())) else {
                return Ok(None);
            };
            if inside.is_empty() {
                continue;
            }
            if !plain.is_empty() {
                parts.push(Part::Plain(plain.to_owned()));
            }
            parts.push(Part::Hole(self.hole(*subject, inside)?));
            plain_from = place.range.end;
        }
        let Some(rest) = text.get(plain_from..) else { return Ok(None) };
        if !rest.is_empty() {
            parts.push(Part::Plain(rest.to_owned()));
        }
        Ok((parts.len() <= SEALED_PARTS_MAX).then(|| SealedText::from_parts(parts)))
    }

    /// The text with every hole opened that can be; [`HOLE_PLACEHOLDER`] stands for the others.
    pub async fn open(&self, text: &SealedText) -> String {
        let mut opened = String::new();
        for part in text.parts() {
            match part {
                Part::Plain(plain) => opened.push_str(plain),
                Part::Hole(hole) => {
                    let plain =
                        self.vault.unseal(hole.subject.0, &hole.ciphertext, &hole.commitment).await;
                    match plain {
                        Ok(plain) => opened.push_str(&plain.plaintext),
                        Err(_) => opened.push_str(HOLE_PLACEHOLDER),
                    }
                }
            }
        }
        opened
    }

    /// The intent with its texts sealed: a token's uid under the token's subject, everything
    /// else under the station's own.
    ///
    /// # Errors
    /// The vault.
    pub async fn seal_intent(
        &self,
        station: StationId,
        intent: Intent<String>,
    ) -> Result<Intent, VaultError> {
        let mut texts = Vec::new();
        let emptied = intent.map(&mut |kind, text| texts.push((kind, text)));
        let mut sealed = Vec::with_capacity(texts.len());
        for (kind, text) in texts {
            sealed.push(match kind {
                TextKind::Token => self.seal_uid(text.trim()).await?,
                TextKind::Other => self.seal(SubjectId(station.0), &text).await?,
            });
        }
        let mut sealed = sealed.into_iter();
        // There is one for each text, in the same order.
        Ok(emptied.map(&mut |_, ()| sealed.next().unwrap_or_else(|| SealedText::plain(""))))
    }

    /// The intent with its texts opened, as [`PersonalData::open`] does.
    pub async fn open_intent(&self, intent: Intent) -> Intent<String> {
        let mut texts = Vec::new();
        let emptied = intent.map(&mut |_, text| texts.push(text));
        let mut opened = Vec::with_capacity(texts.len());
        for text in &texts {
            opened.push(self.open(text).await);
        }
        let mut opened = opened.into_iter();
        emptied.map(&mut |_, ()| opened.next().unwrap_or_default())
    }
}

/// Upper case, as card readers and operators disagree about it.
fn folded(uid: &str) -> String {
    uid.trim().to_uppercase()
}
