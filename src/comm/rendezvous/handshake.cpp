// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/comm/rendezvous/handshake.hpp"

#include <string.h>

#include <algorithm>
#include <vector>

#include "comm/transport/wire.hpp"

namespace firecaffe::comm {

namespace {

constexpr std::string_view kMagic = "FIRECAF1", kClientLabel = "fc1 client", kServerLabel = "fc1 server",
                           kTlsLabel = "fc1 tls";

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

Digest tag(const Digest& key, std::string_view label, const Nonce& challenge,
           std::span<const std::byte, kHelloBytes> hello, std::span<const std::byte> rest = {}) {
    std::vector<std::byte> message;
    message.reserve(label.size() + kNonceBytes + kHelloBytes + rest.size());
    const auto append = [&](std::span<const std::byte> part) {
        message.insert(message.end(), part.begin(), part.end());
    };
    append(bytes_of(label));
    append(challenge);
    append(hello);
    append(rest);
    return hmac_sha256(key, message);
}

Digest transcript_of(const Nonce& challenge, std::span<const std::byte, kHelloBytes> hello) {
    Sha256 hash;
    hash.update(challenge);
    hash.update(hello);
    return hash.finish();
}

// HKDF (RFC 5869) with an empty salt and one block of output.
Digest derive(std::span<const std::byte> token, std::string_view purpose) {
    const Digest salt{};
    const Digest extracted = hmac_sha256(salt, token);
    std::vector<std::byte> info;
    for (const std::string_view part : {std::string_view("firecaffe/1 "), purpose})
        info.insert(info.end(), bytes_of(part).begin(), bytes_of(part).end());
    info.push_back(std::byte{1});
    return hmac_sha256(extracted, info);
}

bool all_zero(std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::array<std::byte, kHelloBytes> encode(const Hello& hello) {
    std::array<std::byte, kHelloBytes> bytes{};
    std::copy_n(bytes_of(kMagic).begin(), 8, bytes.begin());
    bytes[8] = static_cast<std::byte>(hello.version);
    bytes[9] = static_cast<std::byte>(hello.role);
    bytes[10] = static_cast<std::byte>(hello.encryption);
    store_little_endian(&bytes[12], static_cast<std::int32_t>(hello.rank));
    store_little_endian(&bytes[16], static_cast<std::int32_t>(hello.target));
    store_little_endian(&bytes[24], hello.incarnation);
    std::copy(hello.job.begin(), hello.job.end(), bytes.begin() + 32);
    std::copy(hello.nonce.begin(), hello.nonce.end(), bytes.begin() + 64);
    return bytes;
}

std::optional<Hello> decode_hello(std::span<const std::byte, kHelloBytes> bytes) {
    if (!std::equal(bytes.begin(), bytes.begin() + 8, bytes_of(kMagic).begin())) return std::nullopt;
    Hello hello;
    hello.version = std::to_integer<std::uint8_t>(bytes[8]);
    if (hello.version != kProtocolVersion) return hello;
    if (!all_zero(bytes.subspan(11, 1)) || !all_zero(bytes.subspan(20, 4)) || !all_zero(bytes.subspan(48, 16)))
        return std::nullopt;
    hello.role = static_cast<ConnectionRole>(bytes[9]);
    if (hello.role != ConnectionRole::control && hello.role != ConnectionRole::data &&
        hello.role != ConnectionRole::local)
        return std::nullopt;
    hello.encryption = static_cast<Encryption>(bytes[10]);
    if (hello.encryption != Encryption::none && hello.encryption != Encryption::tls) return std::nullopt;
    hello.rank = load_little_endian<std::int32_t>(&bytes[12]);
    hello.target = load_little_endian<std::int32_t>(&bytes[16]);
    hello.incarnation = load_little_endian<std::uint64_t>(&bytes[24]);
    std::copy_n(bytes.begin() + 32, hello.job.size(), hello.job.begin());
    std::copy_n(bytes.begin() + 64, hello.nonce.size(), hello.nonce.begin());
    return hello;
}

Digest authentication_key(std::span<const std::byte> token) {
    return derive(token, "authentication");
}

Digest encryption_key(std::span<const std::byte> token) {
    return derive(token, "tls");
}

Digest connection_key(const Digest& encryption_key, const Digest& transcript) {
    std::vector<std::byte> message(bytes_of(kTlsLabel).begin(), bytes_of(kTlsLabel).end());
    message.insert(message.end(), transcript.begin(), transcript.end());
    return hmac_sha256(encryption_key, message);
}

JobKeys::~JobKeys() {
    for (Digest* key : {&authentication, &encryption}) ::explicit_bzero(key->data(), key->size());
}

JobKeys job_keys(std::span<const std::byte> token) {
    return {authentication_key(token), encryption_key(token)};
}

JobId job_id(std::string_view job) {
    const Digest digest = sha256(bytes_of(job));
    JobId id;
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
}

ServerHandshake::ServerHandshake(const Digest& key) : key_(key), challenge_{} {
    secure_random(challenge_);
}

ServerHandshake::ServerHandshake(const Digest& key, const Nonce& challenge) : key_(key), challenge_(challenge) {}

std::optional<Hello> ServerHandshake::verify(std::span<const std::byte> proof) {
    if (proof.size() != kProofBytes) return std::nullopt;
    const auto hello = proof.first<kHelloBytes>();
    if (!equal_in_constant_time(tag(key_, kClientLabel, challenge_, hello), proof.subspan(kHelloBytes)))
        return std::nullopt;
    std::copy(hello.begin(), hello.end(), hello_.begin());
    return decode_hello(hello);
}

std::array<std::byte, kAnswerBytes> ServerHandshake::answer(Answer answer) const {
    std::array<std::byte, kAnswerBytes> bytes;
    bytes[0] = static_cast<std::byte>(kProtocolVersion);
    bytes[1] = static_cast<std::byte>(answer);
    const Digest digest = tag(key_, kServerLabel, challenge_, hello_, std::span(bytes).first(2));
    std::copy(digest.begin(), digest.end(), bytes.begin() + 2);
    return bytes;
}

Digest ServerHandshake::transcript() const {
    return transcript_of(challenge_, hello_);
}

ClientHandshake::ClientHandshake(const Digest& key, Hello hello) : key_(key), hello_{} {
    secure_random(hello.nonce);
    hello_ = encode(hello);
}

std::array<std::byte, kProofBytes> ClientHandshake::prove(std::span<const std::byte, kNonceBytes> challenge) {
    std::copy(challenge.begin(), challenge.end(), challenge_.begin());
    std::array<std::byte, kProofBytes> proof;
    std::copy(hello_.begin(), hello_.end(), proof.begin());
    const Digest digest = tag(key_, kClientLabel, challenge_, hello_);
    std::copy(digest.begin(), digest.end(), proof.begin() + kHelloBytes);
    return proof;
}

std::optional<Answer> ClientHandshake::verify(std::span<const std::byte> answer) const {
    if (answer.size() != kAnswerBytes) return std::nullopt;
    if (!equal_in_constant_time(tag(key_, kServerLabel, challenge_, hello_, answer.first(2)), answer.subspan(2)))
        return std::nullopt;
    return static_cast<Answer>(answer[1]);
}

Digest ClientHandshake::transcript() const {
    return transcript_of(challenge_, hello_);
}

}  // namespace firecaffe::comm
