"""What the account owns: models, applications, sub-accounts, and the kinds of call it can make."""

from dataclasses import dataclass

ENGLISH = "en-US"


@dataclass(frozen=True)
class Text:
    """A text that the vendor shows in the language of the request."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        """Return the text in a language; everything but en-US is answered in Chinese."""
        return self.en if language == ENGLISH else self.zh


@dataclass(frozen=True)
class Model:
    """A model of the platform.

    Attributes:
        name: the identifier that requests ask for.
        returned: the name that rows of usage carry instead.
        alias: its display name.
        category: `generate`, `thought` or `embedding`.
        provider: who offers it: identifier and display name.
        share: its weight among dialogues.
    """

    name: str
    returned: Text
    alias: Text
    category: str
    provider: tuple[str, str]
    share: int


@dataclass(frozen=True)
class App:
    """An application or shared knowledge base; names are not unique."""

    biz_id: str
    name: str
    app_type: str
    model: str
    billing_tag: str = "null"


@dataclass(frozen=True)
class Kind:
    """A kind of call: what rows show of it, and the sub-business type that it is filtered by."""

    shown: Text
    sub_biz_type: str


def _same(name: str) -> Text:
    return Text(name, name)


_TENCENT = ("Self", "腾讯云")

MODELS = {
    model.name: model
    for model in (
        Model(
            "cs-normal-70b",
            _same("youtu-mrc-pro"),
            Text("精调知识大模型高级版", "Fine-tuned Knowledge LLM Premium"),
            "generate",
            _TENCENT,
            40,
        ),
        Model(
            "deepseek-v4-pro",
            _same("DeepSeek-V4-Pro"),
            _same("DeepSeek-V4-Pro"),
            "thought",
            ("DeepSeek", "DeepSeek"),
            30,
        ),
        Model("hy3", _same("hy3"), Text("混元3", "Hunyuan 3"), "generate", _TENCENT, 24),
        Model(
            "lke-text-embedding-v1",
            _same("lke-text-embedding-v1"),
            Text("知识引擎向量模型", "Knowledge Engine Embedding"),
            "embedding",
            _TENCENT,
            0,
        ),
        Model(
            "hunyuan-turbos-latest",
            Text("混元大模型 Turbo S", "Hunyuan Turbo S"),
            Text("混元大模型 Turbo S", "Hunyuan Turbo S"),
            "generate",
            _TENCENT,
            6,
        ),
    )
}
# No longer offered, so ListModel is silent about it; the applications that chose it still run.
RETIRED = "hunyuan-turbos-latest"

APPS = (
    App("1801166480814637052", "jacobs-0926", "knowledge_qa", "cs-normal-70b"),
    App("1801166480814637101", "客服助手", "knowledge_qa", "hy3"),
    App(
        "1801166480814637102",
        "客服助手",
        "knowledge_qa",
        "deepseek-v4-pro",
        '{"cost_center":"jakarta"}',
    ),
    App("1801166480814637203", "Café ☕ ผู้ช่วย", "knowledge_qa", "hunyuan-turbos-latest"),
    App("1801166480814637304", "产品知识库", "shared_knowledge", "hy3"),
    App("1801166480814637405", "回归评测", "evaluate_test", "deepseek-v4-pro"),
)
UINS = ("700000963993", "700001187441", "700001187502")

KINDS = {
    "dialogue_shared": Kind(
        Text("对话调用-分享用户端对话", "Dialogue Call - Shared Client Dialogue"), "KnowledgeQA"
    ),
    "dialogue_api": Kind(Text("对话调用-API对话", "Dialogue Call - API Dialogue"), "KnowledgeQA"),
    "dialogue_test": Kind(
        Text("对话调用-评测对话", "Dialogue Call - Evaluation Dialogue"), "KnowledgeQA"
    ),
    "rewrite": Kind(Text("多轮改写", "Multi-Round Rewriting"), "Rewrite"),
    "search": Kind(Text("搜索引擎", "Search Engine"), "SearchEngine"),
    "summary": Kind(Text("知识总结", "Knowledge Summary"), "KnowledgeSummary"),
    "embedding": Kind(Text("知识库向量化", "Knowledge Base Embedding"), "Embedding"),
    "parse": Kind(Text("文档解析", "Document Parsing"), "FileParse"),
}
