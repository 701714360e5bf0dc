// SPDX-License-Identifier: Apache-2.0
#include "checkpoint_files.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "files.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace fs = std::filesystem;

std::string checkpoint_name(std::int64_t iteration) {
    constexpr std::size_t kDigits = 8;
    std::string digits = std::to_string(iteration);
    if (digits.size() < kDigits) digits.insert(0, kDigits - digits.size(), '0');
    return "iter_" + digits;
}

namespace model_io {

namespace {

constexpr int kFormat = 1;
constexpr std::size_t kHexDigits = 64;

std::optional<std::int64_t> iteration_of(const std::string& name) {
    constexpr std::string_view kPrefix = "iter_";
    if (name.rfind(kPrefix, 0) != 0) return std::nullopt;
    std::int64_t iteration = -1;
    const auto parsed = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), iteration);
    if (parsed.ec != std::errc() || iteration < 0 || checkpoint_name(iteration) != name) return std::nullopt;
    return iteration;
}

void check_names(const fs::path& path) {
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        const bool known = name == kSumsFile ||
                           std::find(kCheckpointFiles.begin(), kCheckpointFiles.end(), name) != kCheckpointFiles.end();
        if (!known && name[0] != '.')
            throw DataError("checkpoint ", in_quotes(path.native()), " has a file ", in_quotes(name),
                            " that does not belong there; move it away");
    }
    if (error) throw_io("list the directory", path, error.value());
}

std::vector<std::byte> read_part(const fs::path& path, const char* name) {
    try {
        return read_bytes(path / name);
    } catch (const MissingInputError&) {
        throw DataError("checkpoint ", in_quotes(path.native()), " lacks its file ", in_quotes(name));
    }
}

/// The hash that SHA256SUMS states for file number `i`. All lines have a fixed length, so the form is checked first.
std::string_view stated_hash(std::string_view sums, std::size_t i) {
    std::size_t begin = 0;
    for (std::size_t k = 0; k < i; ++k) begin += kHexDigits + 2 + std::string_view(kCheckpointFiles[k]).size() + 1;
    return sums.substr(begin, kHexDigits);
}

CheckpointState parse_state(const fs::path& path, std::span<const std::byte> state_json) {
    try {
        const nlohmann::json json = nlohmann::json::parse(as_text(state_json));
        const int format = json.at("format").get<int>();
        if (format != kFormat)
            throw DataError("checkpoint ", in_quotes(path.native()), " has format ", format,
                            "; this program reads format ", kFormat);
        CheckpointState state;
        state.iteration = json.at("iteration").get<std::int64_t>();
        state.parameters_digest = json.at("parameters_digest").get<std::string>();
        state.versions = json.at("versions").get<std::map<std::string, std::string>>();
        if (const auto scale = json.find("loss_scale"); scale != json.end()) {
            state.loss_scale = scale->at("value").get<double>();
            state.loss_scale_steps = scale->at("steps").get<std::int64_t>();
        }
        return state;
    } catch (const nlohmann::json::exception& error) {
        throw DataError(in_quotes((path / kCheckpointFiles[3]).native()),
                        " is not the state of a checkpoint: ", error.what());
    }
}

}  // namespace

std::string sums_text(const std::array<Digest, kCheckpointFiles.size()>& digests) {
    std::string out;
    for (std::size_t i = 0; i < digests.size(); ++i) out += to_hex(digests[i]) + "  " + kCheckpointFiles[i] + "\n";
    return out;
}

std::string state_text(const CheckpointState& state) {
    nlohmann::ordered_json json;
    json["format"] = kFormat;
    json["iteration"] = state.iteration;
    json["parameters_digest"] = state.parameters_digest;
    json["versions"] = state.versions;
    if (state.loss_scale > 0) json["loss_scale"] = {{"value", state.loss_scale}, {"steps", state.loss_scale_steps}};
    try {
        return json.dump(2) + "\n";
    } catch (const nlohmann::json::type_error&) {
        throw UsageError("a string of a checkpoint's state is not UTF-8; encode it as UTF-8");
    }
}

std::vector<std::int64_t> list_checkpoints(const fs::path& root) {
    std::vector<std::int64_t> iterations;
    std::error_code error;
    for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error))
        if (const std::optional<std::int64_t> iteration = iteration_of(entry->path().filename().string()))
            iterations.push_back(*iteration);
    if (error) throw_io("list the directory", root, error.value());
    std::sort(iterations.begin(), iterations.end(), std::greater<>());
    return iterations;
}

Checkpoint read_checkpoint(const fs::path& path) {
    check_names(path);
    const std::vector<std::byte> sums_bytes = read_part(path, kSumsFile);
    const std::string_view sums = as_text(sums_bytes);

    std::array<std::vector<std::byte>, kCheckpointFiles.size()> contents;
    std::array<Digest, kCheckpointFiles.size()> digests;
    for (std::size_t i = 0; i < contents.size(); ++i) {
        contents[i] = read_part(path, kCheckpointFiles[i]);
        digests[i] = sha256(contents[i]);
    }
    const std::string expected = sums_text(digests);
    if (sums.size() != expected.size())
        throw DataError(in_quotes((path / kSumsFile).native()), " has ", sums.size(), " bytes, not ", expected.size(),
                        ": it is damaged");
    for (std::size_t i = 0; i < contents.size(); ++i)
        if (const std::string found = to_hex(digests[i]); stated_hash(sums, i) != found)
            throw DataError(in_quotes((path / kCheckpointFiles[i]).native()), " is damaged: SHA-256 expected ",
                            in_quotes(stated_hash(sums, i)), ", found ", found);
    if (sums != expected)
        throw DataError(in_quotes((path / kSumsFile).native()), " is damaged: SHA-256 expected ",
                        to_hex(sha256(std::as_bytes(std::span(expected)))), ", found ", to_hex(sha256(sums_bytes)));

    Checkpoint checkpoint;
    checkpoint.path = path;
    checkpoint.state = parse_state(path, contents[3]);
    checkpoint.state.config = as_text(contents[0]);
    const std::optional<std::int64_t> named = iteration_of(path.filename().string());
    if (named && *named != checkpoint.state.iteration)
        throw DataError("checkpoint ", in_quotes(path.native()), " holds iteration ", checkpoint.state.iteration,
                        ", not the one of its name");
    checkpoint.model = SafetensorsFile((path / kCheckpointFiles[1]).string(), std::move(contents[1]));
    checkpoint.solver = SafetensorsFile((path / kCheckpointFiles[2]).string(), std::move(contents[2]));
    return checkpoint;
}

}  // namespace model_io

}  // namespace firecaffe
