//! Which members of OCPP 2.x payloads are about a person. One list for both editions: 2.1 adds
//! objects, and none of them means something else than in 2.0.1.
//!
//! What is not here is the station's: its serial numbers, its SIM, its certificates. What the
//! standard does not know is sealed wherever it stands.

use crate::rpc::json::{Document, NodeId};
use crate::rpc::typed::{Further, Sensitive};

/// Components of the device model whose values are about who charges: the vehicle's id and
/// certificates, the card at the reader, a number plate.
const COMPONENTS_OF_PERSONS: &[&str] = &["ConnectedEV", "TokenReader", "VehicleIdSensor"];

/// What is about a person in an object, by the name of its wire type.
pub(super) fn members(object: &str) -> Sensitive {
    let always = Sensitive::members;
    match object {
        "IdToken" => Sensitive { uid: Some("idToken"), ..always(&["idToken", "additionalInfo"]) },
        // The contract certificate names the contract.
        "AuthorizeRequest" => always(&["certificate"]),
        "OCSPRequestData" | "CertificateHashData" => always(&["serialNumber"]),
        "Get15118EVCertificateRequest" => always(&["exiRequest", "prioritizedEMAIDs"]),
        "DataTransferRequest" => always(&["data"]),
        "NotifyCustomerInformationRequest" => always(&["data"]),
        "SecurityEventNotificationRequest" => always(&["techInfo"]),
        "StatusInfo" => always(&["additionalInfo"]),
        "MessageContent" => always(&["content"]),
        // Signed records carry the user's identification.
        "SignedMeterValue" => always(&["signedMeterData"]),
        "DERChargingParameters" => always(&["evInverterSerialNumber"]),
        "NotifySettlementRequest" => {
            always(&["pspRef", "statusInfo", "receiptId", "receiptUrl", "vatCompany", "vatNumber"])
        }
        "VatNumberValidationRequest" => always(&["vatNumber"]),
        "BatteryData" => always(&["vendorInfo"]),
        "NotifyDERAlarmRequest" => always(&["extraInfo"]),
        "EventData" => Sensitive {
            further: Some(values_of_persons(&["actualValue"])),
            ..always(&["techInfo"])
        },
        // What a variable is may be anything: a password's length, a network's name, a card.
        "VariableAttribute" => always(&["value"]),
        _ => Sensitive::NOTHING,
    }
}

const fn values_of_persons(members: &'static [&'static str]) -> Further {
    Further { applies: is_of_a_person, members }
}

fn is_of_a_person(document: &Document<'_>, object: NodeId) -> bool {
    let component = document.member(object, "component");
    let name = component.and_then(|component| document.member(component, "name"));
    let name = name.and_then(|name| document.string(name));
    name.is_some_and(|name| COMPONENTS_OF_PERSONS.contains(&name.as_ref()))
}
