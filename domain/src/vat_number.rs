//! VAT identification numbers of the member states of the EU and of Northern Ireland: whether a
//! number has its country's form (Council Directive 2006/112/EC, article 215; the form of each is
//! in the VIES of the European Commission) and its check digits. That it is in force, and whose
//! it is, only the country's tax authority knows.

/// Longest number with its country's two letters, in characters.
const CHARACTERS_MAX: usize = 14;
/// What people write between the parts of a number.
const SEPARATORS: &[char] = &[' ', '-', '.', '/'];
/// The check letters of Spanish persons.
const SPANISH_PERSONS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
/// The check letters of Spanish companies.
const SPANISH_COMPANIES: &[u8] = b"JABCDEFGHI";
/// The check letters of Ireland.
const IRISH: &[u8] = b"WABCDEFGHIJKLMNOPQRSTUV";
/// What Cyprus counts a digit at an odd place for.
const CYPRIOT_ODD: &[u32] = &[1, 0, 5, 7, 9, 13, 15, 17, 19, 21];

/// Whether a text is a VAT identification number: its country's two letters, its form, its check
/// digits. Separators and small letters are forgiven.
pub fn is_vat_number(text: &str) -> bool {
    let kept = text.chars().filter(|it| !SEPARATORS.contains(it));
    let number: String = kept.take(CHARACTERS_MAX + 1).collect();
    let number = number.to_ascii_uppercase();
    if number.len() > CHARACTERS_MAX || !number.bytes().all(|byte| is_of_a_number(&byte)) {
        return false;
    }
    let Some((country, own)) = number.split_at_checked(2) else { return false };
    let own = own.as_bytes();
    match country {
        "AT" => own.strip_prefix(b"U").is_some_and(|own| digits(own, 8).is_some_and(is_austrian)),
        "BE" => digits(own, 10).is_some_and(is_belgian),
        "BG" => is_bulgarian(own),
        "CY" => is_cypriot(own),
        "CZ" => is_czech(own),
        "DE" => digits(own, 9).is_some_and(|own| own[0] > 0 && is_mod_11_10(&own)),
        "DK" => digits(own, 8).is_some_and(|own| {
            own[0] > 0 && sum(&own, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        }),
        "EE" => digits(own, 9)
            .is_some_and(|own| sum(&own, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)),
        "EL" | "GR" => digits(own, 9)
            .is_some_and(|own| sum(&own, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == own[8]),
        "ES" => is_spanish(own),
        "FI" => digits(own, 8)
            .is_some_and(|own| (sum(&own, &[7, 9, 10, 5, 8, 4, 2]) + own[7]).is_multiple_of(11)),
        "FR" => is_french(own),
        "HR" => digits(own, 11).is_some_and(|own| is_mod_11_10(&own)),
        "HU" => digits(own, 8)
            .is_some_and(|own| sum(&own, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10)),
        "IE" => is_irish(own),
        "IT" => digits(own, 11).is_some_and(|own| is_luhn(&own)),
        "LT" => is_lithuanian(own),
        "LU" => digits(own, 8).is_some_and(|own| value(&own[..6]) % 89 == value(&own[6..])),
        "LV" => digits(own, 11).is_some_and(|own| {
            let is_person = own[0] <= 3;
            is_person || sum(&own, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]) % 11 == 3
        }),
        "MT" => digits(own, 8)
            .is_some_and(|own| sum(&own, &[3, 4, 6, 7, 8, 9, 10, 1]).is_multiple_of(37)),
        "NL" => is_dutch(own),
        "PL" => digits(own, 10)
            .is_some_and(|own| sum(&own, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == own[9]),
        "PT" => digits(own, 9).is_some_and(is_portuguese),
        "RO" => is_romanian(own),
        "SE" => digits(own, 12).is_some_and(|own| own.ends_with(&[0, 1]) && is_luhn(&own[..10])),
        "SI" => digits(own, 8).is_some_and(is_slovenian),
        "SK" => digits(own, 10).is_some_and(|own| {
            own[0] > 0 && [2, 3, 4, 7, 8, 9].contains(&own[2]) && value(&own).is_multiple_of(11)
        }),
        "XI" => is_northern_irish(own),
        _ => false,
    }
}

/// Capital letters and digits; a few old Irish numbers have `+` or `*` in them.
fn is_of_a_number(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"+*".contains(byte)
}

/// The digits of a text that is nothing but `count` digits.
fn digits(text: &[u8], count: usize) -> Option<Vec<u32>> {
    let is_number = text.len() == count && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().map(|byte| u32::from(byte - b'0')).collect())
}

/// Each digit times its weight, added up; digits beyond the weights do not count.
fn sum(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// What digits stand for as one number.
fn value(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(*digit))
}

/// ISO/IEC 7064, MOD 11,10; the last digit is the check.
fn is_mod_11_10(digits: &[u32]) -> bool {
    let Some((check, counted)) = digits.split_last() else { return false };
    let product = counted.iter().fold(10, |product, digit| {
        let rest = (product + digit) % 10;
        (if rest == 0 { 10 } else { rest }) * 2 % 11
    });
    (product + check) % 10 == 1
}

/// Luhn's sum (ISO/IEC 7812-1, annex B); the last digit is the check.
fn is_luhn(digits: &[u32]) -> bool {
    let counted = digits.iter().rev().enumerate();
    let sum: u32 = counted.map(|(place, digit)| crossed(*digit, place % 2 == 1)).sum();
    sum.is_multiple_of(10)
}

/// A digit; doubled, the digits of it added up.
fn crossed(digit: u32, doubled: bool) -> u32 {
    match digit * 2 {
        twice if doubled => twice / 10 + twice % 10,
        _ => digit,
    }
}

fn is_austrian(own: Vec<u32>) -> bool {
    let counted = own[..7].iter().enumerate();
    let sum: u32 = counted.map(|(place, digit)| crossed(*digit, place % 2 == 1)).sum();
    (sum + 4 + own[7]).is_multiple_of(10)
}

fn is_belgian(own: Vec<u32>) -> bool {
    own[0] <= 1 && value(&own[..8]) > 0 && 97 - value(&own[..8]) % 97 == value(&own[8..])
}

/// Nine digits are a company's; ten are a person's, a foreigner's or another's, each with its own
/// check.
fn is_bulgarian(own: &[u8]) -> bool {
    if let Some(own) = digits(own, 9) {
        let first = sum(&own[..8], &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
        let second = sum(&own[..8], &[3, 4, 5, 6, 7, 8, 9, 10]) % 11;
        return own[8] == if first < 10 { first } else { second % 10 };
    }
    digits(own, 10).is_some_and(|own| {
        let person = sum(&own, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
        let foreigner = sum(&own, &[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10;
        let is_other = (sum(&own, &[4, 3, 2, 7, 6, 5, 4, 3, 2]) + own[9]).is_multiple_of(11);
        own[9] == person || own[9] == foreigner || is_other
    })
}

fn is_cypriot(own: &[u8]) -> bool {
    let Some((letter, counted)) = own.split_last() else { return false };
    let Some(counted) = digits(counted, 8) else { return false };
    let odd = counted.iter().step_by(2).map(|digit| CYPRIOT_ODD[*digit as usize]);
    let even = counted.iter().skip(1).step_by(2).copied();
    let check: u32 = odd.chain(even).sum();
    !counted.starts_with(&[1, 2]) && u32::from(*letter) == u32::from(b'A') + check % 26
}

/// Eight digits are a company's; nine and ten are a person's number of birth, whose check has had
/// exceptions at all times.
fn is_czech(own: &[u8]) -> bool {
    if let Some(own) = digits(own, 8) {
        let check = 11 - sum(&own, &[8, 7, 6, 5, 4, 3, 2]) % 11;
        return own[0] < 9 && own[7] == check % 10;
    }
    digits(own, 9).is_some() || digits(own, 10).is_some()
}

/// A person's number, a foreigner's, or a company's: which letter it begins with tells.
fn is_spanish(own: &[u8]) -> bool {
    let [first, counted @ .., check] = own else { return false };
    let Some(counted) = digits(counted, 7) else { return false };
    let person = |leading: u64| {
        let place = (leading * 10_000_000 + value(&counted)) % 23;
        SPANISH_PERSONS.get(place as usize) == Some(check)
    };
    match first {
        b'0'..=b'9' => person(u64::from(first - b'0')),
        b'X'..=b'Z' => person(u64::from(first - b'X')),
        b'K' | b'L' | b'M' => person(0),
        b'A'..=b'H' | b'J' | b'N' | b'P'..=b'S' | b'U' | b'V' | b'W' => {
            let places = counted.iter().enumerate();
            let sum: u32 = places.map(|(place, digit)| crossed(*digit, place % 2 == 0)).sum();
            let place = (10 - sum % 10) % 10;
            let is_letter = SPANISH_COMPANIES.get(place as usize) == Some(check);
            is_letter || u32::from(*check) == u32::from(b'0') + place
        }
        _ => false,
    }
}

/// The number of the company (SIREN) after two characters that check it, if they are digits; the
/// numbers of Monaco begin with 000 and are no SIREN.
fn is_french(own: &[u8]) -> bool {
    let Some((key, siren)) = own.split_at_checked(2) else { return false };
    let Some(siren) = digits(siren, 9) else { return false };
    let is_key = |it: &u8| it.is_ascii_alphanumeric() && !b"IO".contains(it);
    if !key.iter().all(is_key) || !(siren.starts_with(&[0, 0, 0]) || is_luhn(&siren)) {
        return false;
    }
    digits(key, 2).is_none_or(|key| (value(&siren) * 100 + 12) % 97 == value(&key))
}

/// Seven digits, a check letter, since 2013 one more letter; in the old form the second of the
/// seven may be a letter or a sign, and does not count.
fn is_irish(own: &[u8]) -> bool {
    let (counted, rest) = own.split_at_checked(7).unwrap_or((own, &[]));
    let (Some(check), further) = (rest.first(), rest.get(1..).unwrap_or_default()) else {
        return false;
    };
    let further = match further {
        [] => 0,
        [letter] => match IRISH.iter().position(|known| known == letter) {
            Some(place) => 9 * place as u32,
            None => return false,
        },
        _ => return false,
    };
    let is_sign = |it: &u8| it.is_ascii_uppercase() || b"+*".contains(it);
    let sum = match (digits(counted, 7), counted) {
        (Some(own), _) => sum(&own, &[8, 7, 6, 5, 4, 3, 2]),
        (None, [first, sign, own @ ..]) if is_sign(sign) => {
            let (Some(first), Some(own)) = (digits(&[*first], 1), digits(own, 5)) else {
                return false;
            };
            sum(&own, &[7, 6, 5, 4, 3]) + 2 * first[0]
        }
        _ => return false,
    };
    IRISH.get(((sum + further) % 23) as usize) == Some(check)
}

/// Nine digits are a company's, twelve another's; the last but one is 1.
fn is_lithuanian(own: &[u8]) -> bool {
    let Some(own) = digits(own, 9).or_else(|| digits(own, 12)) else { return false };
    let Some((check, counted)) = own.split_last() else { return false };
    let weighted = |from: usize| {
        let places = counted.iter().enumerate();
        places.map(|(place, digit)| digit * (1 + (place + from) % 9) as u32).sum::<u32>() % 11
    };
    let expected = match weighted(0) {
        10 => weighted(2) % 10,
        expected => expected,
    };
    counted.last() == Some(&1) && *check == expected
}

/// Nine digits with their own check, or, since 2020 for persons, the whole by ISO/IEC 7064, MOD
/// 97-10.
fn is_dutch(own: &[u8]) -> bool {
    let [number @ .., b'B', tens, ones] = own else { return false };
    let (Some(number), Some(further)) = (digits(number, 9), digits(&[*tens, *ones], 2)) else {
        return false;
    };
    let is_company = sum(&number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 == number[8];
    // N, L and B stand for 23, 21 and 11.
    let whole = (2321 * 1_000_000_000 + value(&number)) * 10_000 + 1100 + value(&further);
    is_company || whole % 97 == 1
}

fn is_portuguese(own: Vec<u32>) -> bool {
    let check = 11 - sum(&own, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    own[0] > 0 && own[8] == if check > 9 { 0 } else { check }
}

/// Two to ten digits; with fewer the leading ones are 0.
fn is_romanian(own: &[u8]) -> bool {
    let Some(own) = digits(own, own.len()).filter(|own| (2..=10).contains(&own.len())) else {
        return false;
    };
    let Some((check, counted)) = own.split_last() else { return false };
    let weights = [2, 3, 5, 7, 1, 2, 3, 5, 7];
    let sum: u32 = counted.iter().rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
    own[0] > 0 && *check == sum * 10 % 11 % 10
}

fn is_slovenian(own: Vec<u32>) -> bool {
    let check = 11 - sum(&own, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    own[0] > 0 && own[7] == if check == 10 { 0 } else { check }
}

/// Nine digits, twelve for a branch, or `GD` and `HA` with three for offices of the state.
fn is_northern_irish(own: &[u8]) -> bool {
    if let [kind @ (b"GD" | b"HA"), number] = [&own[..own.len().min(2)], &own[own.len().min(2)..]] {
        let number = digits(number, 3).map(|number| value(&number));
        return number.is_some_and(|number| (number < 500) == (kind == b"GD"));
    }
    let Some(own) = digits(own, 9).or_else(|| digits(own, 12)) else { return false };
    let sum = sum(&own, &[8, 7, 6, 5, 4, 3, 2, 10, 1]) % 97;
    sum == 0 || sum == 42
}

#[cfg(test)]
mod tests {
    use super::is_vat_number;

    #[test]
    fn numbers_with_their_countrys_form_and_check_digits_are_good() {
        for number in [
            "ATU13585627",
            "BE0403019261",
            "BG175074752",
            "CY10259033P",
            "CZ25123891",
            "DE136695976",
            "DK13585628",
            "EE100931558",
            "EL094259216",
            "ESB58378431",
            "ES54362315K",
            "ESX2482300W",
            "FI20774740",
            "FR40303265045",
            "FRK7399859412",
            "HR33392005961",
            "HU12892312",
            "IE6433435F",
            "IE6433435OA",
            "IE8D79739I",
            "IT00743110157",
            "LT119511515",
            "LT100001919017",
            "LU15027442",
            "LV40003521600",
            "MT11679112",
            "NL004495445B01",
            "NL123456789B13",
            "PL8567346215",
            "PT501964843",
            "RO18547290",
            "SE123456789701",
            "SI50223054",
            "SK2022749619",
            "XI980780684",
            "XIGD001",
            "nl 0044.95.445.B01",
        ] {
            assert!(is_vat_number(number), "{number}");
        }
    }

    #[test]
    fn what_has_another_form_or_another_check_digit_is_none() {
        for text in [
            "",
            "N",
            "NL",
            "INVALID-VAT",
            "DE123",
            "DE136695977",
            "NL123456789B01",
            "US123456789",
            "ATU13585626",
            "AT13585627",
            "BE0403019262",
            "FR41303265045",
            "ESB58378432",
            "IE6433435E",
            "IT00743110158",
            "PL8567346216",
            "SE123456789702",
            "XIGD501",
            "XIHA001",
            "XI980780685",
            "DE136695976DE136695976",
            "D\u{c9}136695976",
            "EL094259217",
        ] {
            assert!(!is_vat_number(text), "{text}");
        }
    }
}
