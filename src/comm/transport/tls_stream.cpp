// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/tls_stream.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::size_t kBuffer = 128u << 10;  // each way: several records, and little enough to stay in the cache
constexpr std::size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::size_t kRecordRoom = kRecord + 512;  // wrapped, with a change of keys before it
constexpr const char* kSuite = "TLS_AES_128_GCM_SHA256";
constexpr unsigned char kSuiteNumber[] = {0x13, 0x01};
// The key is made for one connection, so its name tells nothing; it may not be empty.
constexpr std::string_view kIdentity = "firecaffe";

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

std::string reason() {
    const char* words = ERR_reason_error_string(ERR_peek_last_error());
    return words == nullptr ? "for no stated reason" : words;
}

void require(bool ok, const char* what) {
    if (!ok)
        throw UnavailableError("OpenSSL refused ", what, " (", reason(),
                               "); check that libssl 3 is installed and that no policy of this machine restricts it");
}

}  // namespace

struct TlsStream::State {
    Digest key;
    std::uint64_t records_per_key, records = 0;  // records: since the keys are new
    std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context;
    std::unique_ptr<BIO, Freed<BIO_free>> wire;  // our end of a pair, of which TLS has the other
    std::unique_ptr<SSL, Freed<SSL_free>> tls;
    bool through = false, ended = false;
    std::string damage;

    State(const Digest& secret, std::uint64_t most_records) : key(secret), records_per_key(most_records) {}
    ~State() { forget_key(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void forget_key() { OPENSSL_cleanse(key.data(), key.size()); }

    // The PSK in the form in which OpenSSL takes it: a session that was agreed upon elsewhere.
    SSL_SESSION* session(SSL* ssl) const {
        std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>> made(SSL_SESSION_new());
        const SSL_CIPHER* suite = SSL_CIPHER_find(ssl, kSuiteNumber);
        const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
        const bool complete = made && suite != nullptr &&
                              SSL_SESSION_set1_master_key(made.get(), bytes, key.size()) == 1 &&
                              SSL_SESSION_set_cipher(made.get(), suite) == 1 &&
                              SSL_SESSION_set_protocol_version(made.get(), TLS1_3_VERSION) == 1;
        return complete ? made.release() : nullptr;
    }

    static const State& of(SSL* ssl) { return *static_cast<const State*>(SSL_get_app_data(ssl)); }

    static int offer_key(SSL* ssl, const EVP_MD*, const unsigned char** name, std::size_t* length, SSL_SESSION** made) {
        *name = reinterpret_cast<const unsigned char*>(kIdentity.data());
        *length = kIdentity.size();
        *made = of(ssl).session(ssl);
        return *made != nullptr ? 1 : 0;
    }

    static int find_key(SSL* ssl, const unsigned char* name, std::size_t length, SSL_SESSION** made) {
        const bool known = std::string_view(reinterpret_cast<const char*>(name), length) == kIdentity;
        *made = known ? of(ssl).session(ssl) : nullptr;
        return known && *made == nullptr ? 0 : 1;
    }

    // What became of a call that did not succeed.
    void judge(int result) {
        switch (SSL_get_error(tls.get(), result)) {
            case SSL_ERROR_WANT_READ:
                return;
            case SSL_ERROR_WANT_WRITE:  // a record is made only where there is room, so these are answers
                damage = "it asks for more answers than it takes";
                return;
            case SSL_ERROR_ZERO_RETURN:
                ended = true;
                return;
            default:
                damage = reason();
        }
    }

    bool usable() const { return through && !ended && damage.empty(); }
};

TlsStream::TlsStream(Side side, const Digest& key, std::uint64_t records_per_key)
    : state_(std::make_unique<State>(key, records_per_key)) {
    const bool client = side == Side::client;
    ERR_clear_error();
    state_->context.reset(SSL_CTX_new(client ? TLS_client_method() : TLS_server_method()));
    SSL_CTX* const context = state_->context.get();
    require(context != nullptr && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_ciphersuites(context, kSuite) == 1 && SSL_CTX_set1_groups_list(context, "X25519") == 1 &&
                SSL_CTX_set_num_tickets(context, 0) == 1,
            "TLS 1.3");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    // A server without our key could still show a certificate; nobody is trusted for one.
    if (client) SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);

    state_->tls.reset(SSL_new(context));
    SSL* const tls = state_->tls.get();
    BIO *inner = nullptr, *outer = nullptr;
    require(tls != nullptr && BIO_new_bio_pair(&inner, kBuffer, &outer, kBuffer) == 1, "a TLS connection");
    SSL_set_bio(tls, inner, inner);
    state_->wire.reset(outer);
    require(SSL_set_app_data(tls, state_.get()) == 1, "a TLS connection");
    if (client) {
        SSL_set_psk_use_session_callback(tls, State::offer_key);
        SSL_set_connect_state(tls);
    } else {
        SSL_set_psk_find_session_callback(tls, State::find_key);
        SSL_set_accept_state(tls);
    }
}

TlsStream::~TlsStream() = default;

std::span<std::byte> TlsStream::room() {
    char* at = nullptr;
    const int bytes = BIO_nwrite0(state_->wire.get(), &at);
    return {reinterpret_cast<std::byte*>(at), static_cast<std::size_t>(std::max(bytes, 0))};
}

void TlsStream::filled(std::size_t bytes) {
    char* at = nullptr;
    if (bytes > 0) BIO_nwrite(state_->wire.get(), &at, static_cast<int>(bytes));
}

std::span<const std::byte> TlsStream::outgoing() {
    char* at = nullptr;
    const int bytes = BIO_nread0(state_->wire.get(), &at);
    return {reinterpret_cast<const std::byte*>(at), static_cast<std::size_t>(std::max(bytes, 0))};
}

void TlsStream::sent(std::size_t bytes) {
    char* at = nullptr;
    if (bytes > 0) BIO_nread(state_->wire.get(), &at, static_cast<int>(bytes));
}

bool TlsStream::shake_hands() {
    State& s = *state_;
    if (s.through || !s.damage.empty()) return s.through;
    ERR_clear_error();
    const int result = SSL_do_handshake(s.tls.get());
    if (result != 1) {
        s.judge(result);
        return false;
    }
    s.forget_key();
    // It cannot be otherwise, since there is no certificate; but all depends on it.
    if (SSL_session_reused(s.tls.get()) != 1)
        s.damage = "it was not proved by the token";
    else
        s.through = true;
    return s.through;
}

std::size_t TlsStream::write(std::span<const std::byte> bytes) {
    State& s = *state_;
    std::size_t done = 0;
    // A record is made only where it fits, so that none is ever half written.
    while (done < bytes.size() && s.usable() &&
           BIO_ctrl_get_write_guarantee(SSL_get_wbio(s.tls.get())) >= kRecordRoom) {
        ERR_clear_error();
        if (s.records++ == s.records_per_key) {
            if (SSL_key_update(s.tls.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1) {
                s.damage = text("no new keys: ", reason());
                return done;
            }
            s.records = 1;
        }
        const auto part = bytes.subspan(done, std::min(kRecord, bytes.size() - done));
        std::size_t taken = 0;
        if (const int result = SSL_write_ex(s.tls.get(), part.data(), part.size(), &taken); result != 1)
            s.judge(result);
        done += taken;
    }
    return done;
}

std::size_t TlsStream::read(std::span<std::byte> bytes) {
    State& s = *state_;
    if (bytes.empty() || !s.usable()) return 0;
    ERR_clear_error();
    std::size_t done = 0;
    if (const int result = SSL_read_ex(s.tls.get(), bytes.data(), bytes.size(), &done); result != 1) s.judge(result);
    return done;
}

bool TlsStream::readable() const {
    const SSL* const tls = state_->tls.get();
    return state_->usable() && (SSL_pending(tls) > 0 || BIO_ctrl_pending(SSL_get_rbio(tls)) > 0);
}

void TlsStream::finish() {
    if (!state_->usable()) return;
    ERR_clear_error();
    SSL_shutdown(state_->tls.get());
}

bool TlsStream::ended() const {
    return state_->ended;
}

const std::string& TlsStream::damage() const {
    return state_->damage;
}

}  // namespace firecaffe::comm
