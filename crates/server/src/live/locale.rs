//! The language of values that the reference calls localized (live-connect#param-locale).
//!
//! These are the names of access levels. The reference's table of cultures is not preserved, so the
//! languages are those of Microsoft's pages at that time, and the translations are inferred.

use super::{
    error::{LiveError, Result},
    object_access::ObjectAccess,
};

/// The names of the access levels in a language: the owner, selected people, everyone with a link,
/// everyone.
type AccessNames = [&'static str; 4];

/// The languages, by their codes in ISO 639-1; Chinese also by its script. The first one is the default.
const LANGUAGES: [(&str, AccessNames); 37] = [
    ("en", ["Just me", "People I selected", "People with a link", "Everyone (public)"]),
    ("ar", ["أنا فقط", "أشخاص محددون", "الأشخاص الذين لديهم ارتباط", "الجميع (عام)"]),
    ("bg", ["Само аз", "Хора, които избрах", "Хора с връзка", "Всички (публично)"]),
    ("cs", ["Jenom já", "Lidé, které jsem vybral", "Lidé s odkazem", "Všichni (veřejné)"]),
    ("da", ["Kun mig", "Personer, jeg har valgt", "Personer med et link", "Alle (offentlig)"]),
    (
        "de",
        [
            "Nur ich",
            "Von mir ausgewählte Personen",
            "Personen mit einem Link",
            "Jeder (öffentlich)",
        ],
    ),
    ("el", ["Μόνο εγώ", "Άτομα που επέλεξα", "Άτομα με σύνδεση", "Όλοι (δημόσιο)"]),
    (
        "es",
        ["Solo yo", "Personas que he seleccionado", "Personas con un vínculo", "Todos (público)"],
    ),
    ("et", ["Ainult mina", "Minu valitud inimesed", "Inimesed, kellel on link", "Kõik (avalik)"]),
    (
        "fi",
        ["Vain minä", "Valitsemani henkilöt", "Käyttäjät, joilla on linkki", "Kaikki (julkinen)"],
    ),
    (
        "fr",
        [
            "Moi uniquement",
            "Personnes que j'ai sélectionnées",
            "Personnes disposant d'un lien",
            "Tout le monde (public)",
        ],
    ),
    ("he", ["רק אני", "אנשים שבחרתי", "אנשים שיש להם קישור", "כולם (ציבורי)"]),
    ("hi", ["केवल मैं", "वे लोग जिन्हें मैंने चुना", "वे लोग जिनके पास लिंक है", "सभी (सार्वजनिक)"]),
    ("hr", ["Samo ja", "Osobe koje sam odabrao", "Osobe s vezom", "Svi (javno)"]),
    (
        "hu",
        [
            "Csak én",
            "Az általam kiválasztott személyek",
            "A hivatkozással rendelkező személyek",
            "Mindenki (nyilvános)",
        ],
    ),
    (
        "id",
        [
            "Hanya saya",
            "Orang yang saya pilih",
            "Orang yang memiliki tautan",
            "Semua orang (publik)",
        ],
    ),
    (
        "it",
        ["Solo io", "Persone selezionate da me", "Persone con un collegamento", "Tutti (pubblico)"],
    ),
    (
        "ja",
        [
            "自分のみ",
            "選択したユーザー",
            "リンクを知っているユーザー",
            "すべてのユーザー (一般公開)",
        ],
    ),
    ("ko", ["나만", "내가 선택한 사용자", "링크가 있는 사용자", "모든 사람(공개)"]),
    ("lt", ["Tik aš", "Mano pasirinkti žmonės", "Žmonės, turintys saitą", "Visi (viešai)"]),
    ("lv", ["Tikai es", "Manis atlasītās personas", "Personas ar saiti", "Visi (publiski)"]),
    (
        "ms",
        [
            "Saya sahaja",
            "Orang yang saya pilih",
            "Orang yang mempunyai pautan",
            "Semua orang (awam)",
        ],
    ),
    ("nb", ["Bare meg", "Personer jeg har valgt", "Personer med en kobling", "Alle (offentlig)"]),
    (
        "nl",
        [
            "Alleen ik",
            "Personen die ik heb geselecteerd",
            "Personen met een koppeling",
            "Iedereen (openbaar)",
        ],
    ),
    ("pl", ["Tylko ja", "Wybrane przeze mnie osoby", "Osoby mające link", "Wszyscy (publiczne)"]),
    ("pt", ["Somente eu", "Pessoas que selecionei", "Pessoas com um link", "Todos (público)"]),
    (
        "ro",
        [
            "Doar eu",
            "Persoane selectate de mine",
            "Persoane care au un link",
            "Toată lumea (public)",
        ],
    ),
    ("ru", ["Только я", "Выбранные мной люди", "Пользователи со ссылкой", "Все (общедоступно)"]),
    ("sk", ["Iba ja", "Ľudia, ktorých som vybral", "Ľudia s prepojením", "Všetci (verejné)"]),
    ("sl", ["Samo jaz", "Osebe, ki sem jih izbral", "Osebe s povezavo", "Vsi (javno)"]),
    ("sv", ["Bara jag", "Personer som jag har valt", "Personer med en länk", "Alla (offentligt)"]),
    ("th", ["เฉพาะฉัน", "บุคคลที่ฉันเลือก", "บุคคลที่มีลิงก์", "ทุกคน (สาธารณะ)"]),
    ("tr", ["Yalnızca ben", "Seçtiğim kişiler", "Bağlantıya sahip kişiler", "Herkes (genel)"]),
    ("uk", ["Лише я", "Вибрані мною люди", "Користувачі з посиланням", "Усі (загальнодоступно)"]),
    (
        "vi",
        [
            "Chỉ mình tôi",
            "Những người tôi đã chọn",
            "Những người có liên kết",
            "Mọi người (công khai)",
        ],
    ),
    ("zh-hans", ["仅限我自己", "我选择的人", "拥有链接的人", "所有人(公开)"]),
    ("zh-hant", ["只有我", "我選取的人", "擁有連結的人", "所有人 (公開)"]),
];

/// The language of localized values: its position in [`LANGUAGES`]. The default is English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Locale(usize);

impl Locale {
    /// Parses the name of a culture such as `de-DE`, in any case. English is the default for
    /// `None`, and the fallback for languages without translation.
    ///
    /// # Errors
    /// 400 unless `culture` is one or more parts of one to eight ASCII letters or digits, separated
    /// by `-` or `_`.
    pub(super) fn parse(culture: Option<&str>) -> Result<Self> {
        let Some(culture) = culture else { return Ok(Self::default()) };
        let lower_case = culture.to_ascii_lowercase();
        let parts: Vec<&str> = lower_case.split(['-', '_']).collect();
        let is_part = |part: &&str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !parts.iter().all(is_part) {
            return Err(LiveError::parameter(format!(
                "The value '{culture}' of 'locale' isn't the name of a culture."
            )));
        }
        let language = match parts[0] {
            "no" | "nn" => "nb",
            "zh" if parts.iter().any(|part| ["hant", "tw", "hk", "mo"].contains(part)) => "zh-hant",
            "zh" => "zh-hans",
            language => language,
        };
        let position = LANGUAGES.iter().position(|(code, _)| *code == language);
        Ok(Self(position.unwrap_or_default()))
    }

    /// Returns the name of an access level. The English names are those of the reference.
    pub(super) fn access_name(self, access: ObjectAccess) -> &'static str {
        let (_, [owner, selected, link, everyone]) = LANGUAGES[self.0];
        match access {
            ObjectAccess::Owner => owner,
            ObjectAccess::Selected => selected,
            ObjectAccess::Link => link,
            ObjectAccess::Everyone => everyone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_languages_are_english_and_invalid_names_are_rejected() {
        let just_me =
            |culture| Locale::parse(culture).expect("a locale").access_name(ObjectAccess::Owner);
        for (culture, name) in [
            (None, "Just me"),
            (Some("de-DE"), "Nur ich"),
            (Some("fr_CH"), "Moi uniquement"),
            (Some("PT-br"), "Somente eu"),
            (Some("no"), "Bare meg"),
            (Some("zh-CN"), "仅限我自己"),
            (Some("zh-TW"), "只有我"),
            (Some("tlh"), "Just me"),
        ] {
            assert_eq!(just_me(culture), name, "{culture:?}");
        }
        for wrong in ["", "d e", "de--DE", "<x>"] {
            assert!(Locale::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_language_is_listed_once() {
        let mut codes: Vec<&str> = LANGUAGES.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), LANGUAGES.len());
    }
}
