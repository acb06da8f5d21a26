"""Names of secrets that only their neighbours tell from harmless ones: `stripe_key`, not `sort_key`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# fmt: off
_MEASURES: Final = frozenset(
    {
        "budget", "cost", "count", "counts", "expired", "expires", "expiry", "left", "length", "limit", "limits", "per",
        "price", "rate", "remaining", "size", "total", "ttl", "type", "types", "usage", "used",
    }
)
"""After `token`: what is measured or told of it."""
_AMOUNTS: Final = frozenset(
    {
        "audio", "available", "cached", "completion", "context", "count", "daily", "generated", "image", "input", "max",
        "maximum", "min", "minimum", "n", "new", "num", "number", "of", "output", "predicted", "prompt", "read",
        "reasoning", "remaining", "reserved", "sampled", "special", "stop", "text", "thinking", "total", "used",
        "write",
    }
)
"""Before `tokens`: they are counted."""
_PASSES: Final = frozenset(
    {
        "all", "analysis", "backward", "band", "boarding", "compiler", "each", "final", "first", "forward", "high",
        "is", "last", "low", "multi", "next", "no", "one", "optimizer", "per", "previous", "render", "season", "second",
        "should", "single", "ski", "test", "tests", "third", "to", "two", "will",
    }
)
"""Before `pass`: it is a round, a verdict or a ticket."""
_KEY_KINDS: Final = frozenset(
    {
        "access", "account", "admin", "aes", "api", "app", "application", "auth", "cipher", "crypto", "decryption",
        "deploy", "encryption", "fernet", "hmac", "jwt", "license", "master", "private", "recovery", "rsa", "secret",
        "service", "session", "shared", "signing", "ssh", "storage", "subscription", "tls", "webhook",
    }
)
_ISSUERS: Final = frozenset(
    {
        "airtable", "algolia", "aliyun", "amplitude", "anthropic", "auth0", "aws", "azure", "binance", "braintree",
        "cloudflare", "cohere", "coinbase", "databricks", "datadog", "deepseek", "digitalocean", "discord", "docker",
        "dropbox", "facebook", "firebase", "gcp", "gemini", "github", "gitlab", "google", "grafana", "groq", "heroku",
        "hubspot", "huggingface", "intercom", "launchdarkly", "linode", "mailchimp", "mailgun", "mandrill", "mapbox",
        "maps", "mistral", "mixpanel", "newrelic", "nexmo", "notion", "npm", "okta", "openai", "opsgenie", "pagerduty",
        "paypal", "pinecone", "plaid", "postmark", "pusher", "pypi", "rapidapi", "replicate", "segment", "sendgrid",
        "sentry", "shopify", "slack", "snyk", "sparkpost", "square", "stripe", "supabase", "telegram", "twilio",
        "twitter", "vault", "vonage", "vultr", "zendesk",
    }
)
_HARMLESS_KEYS: Final = frozenset(
    {
        "bucket", "cache", "composite", "dedup", "file", "foreign", "group", "hash", "idempotency", "lookup", "map",
        "message", "natural", "object", "partition", "primary", "public", "publishable", "record", "routing", "row",
        "shard", "sort", "surrogate", "unique",
    }
)
_JOINED_PASSES: Final = (
    "adminpass", "dbpass", "ftppass", "mailpass", "mysqlpass", "pgpass", "redispass", "rootpass", "smtppass", "sshpass",
    "userpass",
)
_ADDRESSES: Final = frozenset({"address", "endpoint", "uri", "uris", "url", "urls"})
_SENDERS: Final = frozenset({"discord", "incoming", "mattermost", "slack", "teams", "zapier"})
# fmt: on
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+")


@lru_cache(maxsize=4_096)
def names_credentials(name: str) -> bool:
    """Say whether what stands under this name is a token, a password, a key or an address that holds one."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (_tokens(words) or _pass(words) or _key(words) or _webhook(words))


def introduces_credentials(name: str) -> bool:
    """Say the same of a name in a text, where `pass` alone is more often a verdict."""
    return names_credentials(name) and name.lower() != "pass"


def counts_tokens(name: str) -> bool:
    """Say whether the name speaks of how many tokens there are, or of what kind."""
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word.endswith(("token", "tokens")) for word in words) and not _tokens(words)


def _tokens(words: list[str]) -> bool:
    for place, word in enumerate(words):
        stem = next((end for end in ("tokens", "token") if word.endswith(end)), "")
        if not stem:
            continue
        before = word.removesuffix(stem) or (words[place - 1] if place else "")
        if _MEASURES.isdisjoint(words[place + 1 :]) and not (stem == "tokens" and before in _AMOUNTS):
            return True
    return False


def _pass(words: list[str]) -> bool:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last.endswith(_JOINED_PASSES) or last == "pwds":
        return True
    return last == "pass" and before not in _PASSES


def _key(words: list[str]) -> bool:
    if words[-1] not in ("key", "keys") or not _HARMLESS_KEYS.isdisjoint(words):
        return False
    return words[-2:-1] != [] and (words[-2] in _KEY_KINDS or not _ISSUERS.isdisjoint(words))


def _webhook(words: list[str]) -> bool:
    if not {"webhook", "webhooks"}.isdisjoint(words):
        return not _ADDRESSES.isdisjoint(words) or not _SENDERS.isdisjoint(words)
    return words[-1] in ("webhookurl", "webhookurls", "webhookuri")
