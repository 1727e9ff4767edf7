//! What is counted.

use std::path::Path;

/// A kind of text.
pub struct Sample {
    /// What it is called in the table.
    pub name: &'static str,
    /// All of it.
    pub text: String,
}

/// The repository's own texts, and paragraphs in other scripts.
pub fn all() -> Result<Vec<Sample>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut samples = vec![
        Sample { name: "English", text: folder(&root.join("docs/guides"), "md")? },
        Sample { name: "code", text: folder(&root.join("crates/domain/src"), "rs")? },
        Sample { name: "JSON", text: folder(&root.join("crates/llm/fixtures/anthropic/tool_call"), "json")? },
    ];
    let written = OTHERS.iter().map(|(name, text)| Sample { name, text: (*text).to_owned() });
    samples.extend(written);
    Ok(samples)
}

fn folder(path: &Path, extension: &str) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fault)? {
        files.push(entry.map_err(fault)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    let texts: Result<Vec<String>, _> = files.iter().map(std::fs::read_to_string).collect();
    let text = texts.map_err(fault)?.concat();
    if text.is_empty() { Err(format!("nothing in {}", path.display())) } else { Ok(text) }
}

const OTHERS: [(&str, &str); 7] = [
    (
        "German",
        "Das Gateway steht zwischen den Anwendungen und den Anbietern von Sprachmodellen. Es prüft jeden Schlüssel, \
         bevor eine Anfrage weitergegeben wird, und schreibt auf, was sie gekostet hat. Wer sein monatliches Budget \
         ausgeschöpft hat, erhält eine verständliche Fehlermeldung statt einer überraschenden Rechnung. Fällt ein Anbieter \
         aus, übernimmt der nächste, ohne dass jemand seine Programme ändern müsste.",
    ),
    (
        "Russian",
        "Шлюз стоит между приложениями и поставщиками языковых моделей. Он проверяет каждый ключ до того, как запрос \
         уйдёт дальше, и записывает, сколько он стоил. Тот, кто исчерпал свой месячный бюджет, получает понятное \
         сообщение об ошибке, а не неожиданный счёт. Если один поставщик недоступен, его заменяет следующий.",
    ),
    (
        "Chinese",
        "网关位于应用程序和语言模型提供商之间。它在转发请求之前检查每个密钥，并记录每次请求的费用。用完每月预算的人会收到\
         清楚的错误信息，而不是意外的账单。如果一个提供商出现故障，下一个会接替它，任何人都不需要修改自己的程序。",
    ),
    (
        "Japanese",
        "ゲートウェイは、アプリケーションと言語モデルの提供者の間に立ちます。リクエストを渡す前にすべてのキーを確認し、\
         いくらかかったかを記録します。毎月の予算を使い切った人には、思いがけない請求書ではなく、わかりやすいエラー\
         メッセージが届きます。提供者の一つが止まれば、次の提供者が引き継ぎます。",
    ),
    (
        "Arabic",
        "تقف البوابة بين التطبيقات ومزودي نماذج اللغة. تتحقق من كل مفتاح قبل تمرير الطلب، وتسجل تكلفته. من استنفد \
         ميزانيته الشهرية يتلقى رسالة خطأ واضحة بدلا من فاتورة مفاجئة. وإذا تعطل أحد المزودين حل محله التالي دون أن \
         يغير أحد برامجه.",
    ),
    (
        "Hindi",
        "गेटवे अनुप्रयोगों और भाषा मॉडल देने वालों के बीच खड़ा होता है। अनुरोध आगे भेजने से पहले वह हर कुंजी की जाँच करता है और \
         लिखता है कि उसकी लागत कितनी थी। जिसने अपना मासिक बजट पूरा खर्च कर दिया है, उसे अचानक आए बिल के बजाय साफ़ संदेश \
         मिलता है।",
    ),
    (
        "emoji",
        "Build passed 🎉🚀 — thanks 👩‍💻👨‍👩‍👧‍👦! Next: 🧪→✅, then ☕️ and 🏳️‍🌈. Status 🟢🟡🔴, mood 😀😅🤔, flags 🇫🇷🇯🇵🇧🇷.",
    ),
];
