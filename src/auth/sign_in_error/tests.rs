use std::collections::BTreeSet;

use super::*;

/// Returns the text of the error in a redirect.
fn text(error: &str, description: &str) -> String {
    of_redirect(error, description).to_string()
}

#[test]
fn each_number_of_microsoft_has_one_next_step() {
    let mut seen = BTreeSet::new();
    for (numbers, step) in MICROSOFT {
        for number in *numbers {
            assert!(seen.insert(number), "AADSTS{number} has two steps");
            let description = format!("AADSTS{number}: Text.\r\nTrace ID: x\r\nTimestamp: y");
            let shown = text("invalid_grant", &description);
            let expected =
                format!("cannot sign in: AADSTS{number}: Text. Trace ID: x Timestamp: y ({step})");
            assert!(shown.ends_with(&expected), "{shown}");
        }
    }
}

#[test]
fn each_code_of_oauth_has_one_next_step() {
    let mut seen = BTreeSet::new();
    for (codes, step) in OAUTH {
        for code in *codes {
            assert!(seen.insert(code), "{code} has two steps");
            let shown = text(code, "Text.");
            assert_eq!(shown, format!("{code}: cannot sign in: Text. ({step})"));
            assert!(text(code, "").ends_with(&format!("{code} ({step})")));
        }
    }
}

#[test]
fn the_failures_that_users_meet_have_the_step_that_helps() {
    for (number, expected) in [
        (65001, "consent"),
        (90094, "administrator"),
        (700082, "sign in again"),
        (50173, "sign in again"),
        (7000222, "new secret"),
        (7000215, "value of the application's secret"),
        (7000218, "public client flows"),
        (50011, "redirect URI http://localhost"),
        (700016, "client_id and tenant"),
        (90002, "check the tenant"),
        (50020, "account of the tenant"),
        (50076, "multi-factor"),
        (53003, "conditional access"),
        (700027, "certificate"),
        (9002346, "consumers"),
    ] {
        let shown = text("invalid_request", &format!("AADSTS{number}: Text."));
        assert!(shown.contains(expected), "{number}: {shown}");
    }
}

#[test]
fn the_number_may_be_in_the_message_or_in_the_list() {
    let step = |message, numbers: &[u32]| next_step("invalid_grant", message, numbers);
    let consent = step("AADSTS65001: x", &[]);
    assert!(consent.is_some_and(|step| step.contains("consent")));
    assert_eq!(step("Text", &[1, 65001]), consent);
    assert_eq!(step("AADSTS65001", &[7000222]), consent);
    let general = step("Text", &[]);
    assert!(general.is_some_and(|step| step.starts_with("sign in again")));
    assert_eq!(step("AADSTS: x", &[]), general);
    assert_eq!(step("AADSTS99999999999999999999", &[]), general);
    assert_eq!(next_step("unheard_of", "Text", &[]), None);
}

#[test]
fn a_temporary_failure_has_no_step() {
    let error = of_redirect("temporarily_unavailable", "Later.");
    assert!(error.is_temporary());
    assert_eq!(error.message(), "cannot sign in: Later.");
}

#[test]
fn control_characters_do_not_reach_a_terminal() {
    let error = of_redirect("x\u{1b}[2J", "a\u{1b}[31mb\r\n\r\nc");
    assert_eq!(error.message(), "cannot sign in: a [31mb c");
    assert!(!error.to_string().contains('\u{1b}'));
}
