// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/train/run_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "firecaffe/comm/mpi.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/core/version.hpp"
#include "firecaffe/ops/backend.hpp"

namespace firecaffe {

using Json = nlohmann::ordered_json;

namespace {
/// Paths and messages may hold any bytes; what is not UTF-8 must not end a run.
std::string as_text(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
}  // namespace

std::vector<std::pair<std::string, std::string>> run_versions() {
    auto versions = component_versions();
    for (auto& library : ops::backend_versions()) versions.push_back(std::move(library));
    if (std::string mpi = comm::mpi_version(); !mpi.empty()) versions.emplace_back("MPI", std::move(mpi));
    return versions;
}

std::string summary_json(const TrainSummary& s) {
    Json json{{"name", s.name},
              {"iterations", s.iterations},
              {"epochs", s.epochs},
              {"seconds", s.seconds},
              {"images_per_second", s.images_per_second},
              {"train_loss", s.train_loss}};
    json["test_loss"] = s.tested ? Json(s.test_loss) : Json(nullptr);
    json["test_top1"] = s.tested ? Json(s.test_top1) : Json(nullptr);
    json["test_top5"] = s.tested ? Json(s.test_top5) : Json(nullptr);
    json["test_images"] = s.test_images;
    json["test_crops"] = s.test_crops;
    json["workers"] = s.workers;
    json["threads"] = s.threads;
    json["reducer"] = s.reducer;
    json["schemes"] = s.schemes.empty() ? Json(nullptr) : Json(s.schemes);
    json["global_batch"] = s.global_batch;
    json["effective_base_lr"] = s.effective_base_lr;
    json["shards"] = s.shards;
    json["parameter_count"] = s.parameter_count;
    json["statistics_count"] = s.statistics_count;
    json["parameters_digest"] = s.parameters_digest;
    json["communication_seconds"] = s.communication_seconds;
    json["exposed_communication_seconds"] = s.exposed_communication_seconds;
    json["communication_bytes"] = s.communication_bytes;
    json["kept_back"] = s.kept_back;
    if (!s.factors.empty()) json["factors"] = Json::array();
    for (const FactorChoice& f : s.factors)
        json["factors"].push_back({{"parameter", f.parameter},
                                   {"rows", f.rows},
                                   {"columns", f.columns},
                                   {"factor_bytes", f.factor_bytes},
                                   {"sum_bytes", f.sum_bytes},
                                   {"as_factors", f.as_factors}});
    if (!s.lags.empty()) json["lags"] = s.lags;
    json["drift"] = s.drift;
    json["data_wait_seconds"] = s.data_wait_seconds;
    json["resumed_from"] = s.resumed_from < 0 ? Json(nullptr) : Json(s.resumed_from);
    json["checkpoint"] = s.checkpoint.empty() ? Json(nullptr) : Json(s.checkpoint);
    json["versions"] = Json::object();
    for (const auto& [component, version] : s.versions) json["versions"][component] = version;
    return as_text(json, 2) + "\n";
}

std::string evaluation_json(const EvaluationReport& r) {
    const Json json{{"images", r.images},  {"crops", r.crops},    {"test_loss", r.loss},
                    {"test_top1", r.top1}, {"test_top5", r.top5}, {"seconds", r.seconds}};
    return as_text(json, 2) + "\n";
}

void write_file_atomically(const std::string& path, const std::string& text) {
    // A name of its own also among threads, and among hosts that share the file system.
    constexpr int kMostTries = 1000;
    std::string aside;
    int fd = -1;
    for (int tries = 0; fd < 0 && (tries == 0 || errno == EEXIST) && tries < kMostTries; ++tries) {
        aside = firecaffe::text(path, ".tmp-", ::getpid(), "-", tries);
        fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    const auto fail = [&](const char* what) {
        const int error = errno;
        if (fd >= 0) ::unlink(aside.c_str());
        throw IoError("cannot ", what, " '", path, "': ", std::strerror(error), "; is the disk full or read-only?");
    };
    if (fd < 0) fail("create");
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            const int error = errno;
            ::close(fd);
            errno = error;
            fail("write");
        }
        done += static_cast<std::size_t>(n);
    }
    const bool synced = ::fsync(fd) == 0;
    if (::close(fd) != 0 || !synced) fail("write");
    if (::rename(aside.c_str(), path.c_str()) != 0) fail("replace");
}

/// One line, each a whole one or none. A full disk must not end the training, so what cannot be written is counted.
struct RunFiles::State {
    std::string directory;
    bool resumed = false, begun = false;
    int log = -1;
    std::int64_t missing = 0;

    ~State() {
        if (log >= 0) ::close(log);
    }

    bool write_line(const Json& json) {
        const std::string line = as_text(json, -1) + "\n";
        const off_t end = ::lseek(log, 0, SEEK_END);
        for (std::size_t done = 0; done < line.size();) {
            const ssize_t n = ::write(log, line.data() + done, line.size() - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                [[maybe_unused]] const int cut = ::ftruncate(log, end);  // nothing more can be done about a piece
                return false;
            }
            done += static_cast<std::size_t>(n);
        }
        return true;
    }

    /// Only now: a run that fails before its first report leaves what an earlier one wrote.
    void begin() {
        begun = true;
        std::error_code ignored;
        std::filesystem::remove(directory + "/summary.json", ignored);
        if (!resumed && ::ftruncate(log, 0) != 0)
            throw IoError("cannot start '", directory, "/log.jsonl' anew: ", std::strerror(errno));
    }

    void line(const Json& json) {
        if (!begun) begin();
        if (missing > 0) {
            const std::string message = std::to_string(missing) + " lines are missing here: they could not be written";
            if (!write_line({{"event", "warning"}, {"message", message}})) {
                ++missing;
                return;
            }
            missing = 0;
        }
        if (!write_line(json)) ++missing;
    }
};

RunFiles::RunFiles(std::string directory, bool resumed) : state_(std::make_unique<State>()) {
    state_->directory = std::move(directory);
    state_->resumed = resumed;
    std::error_code error;
    std::filesystem::create_directories(state_->directory, error);
    if (error)
        throw IoError("cannot create the output directory '", state_->directory, "': ", error.message(),
                      "; choose another one with --output");
    const std::string path = state_->directory + "/log.jsonl";
    state_->log = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (state_->log < 0)
        throw IoError("cannot write '", path, "': ", std::strerror(errno), "; choose another directory with --output");
}

RunFiles::~RunFiles() = default;

void RunFiles::on_step(const StepReport& r) {
    Json line{{"event", "step"},
              {"iteration", r.iteration},
              {"epoch", r.epoch},
              {"loss", r.loss},
              {"learning_rate", r.learning_rate},
              {"images_per_second", r.images_per_second},
              {"data_wait_share", r.data_wait_share},
              {"exchange_share", r.exchange_share},
              {"seconds", r.seconds}};
    if (r.loss_scale > 0) line.update({{"loss_scale", r.loss_scale}, {"left_out", r.left_out}});
    state_->line(line);
}

void RunFiles::on_evaluation(const EvaluationReport& r) {
    state_->line({{"event", "evaluation"},
                  {"iteration", r.iteration},
                  {"images", r.images},
                  {"crops", r.crops},
                  {"test_loss", r.loss},
                  {"test_top1", r.top1},
                  {"test_top5", r.top5},
                  {"seconds", r.seconds}});
}

void RunFiles::on_checkpoint(const CheckpointReport& r) {
    state_->line({{"event", "checkpoint"}, {"iteration", r.iteration}, {"path", r.path}, {"seconds", r.seconds}});
}

void RunFiles::on_warning(const std::string& message) {
    state_->line({{"event", "warning"}, {"message", message}});
}

void RunFiles::on_end(const TrainSummary& summary) {
    state_->line({{"event", "end"}, {"iteration", summary.iterations}, {"digest", summary.parameters_digest}});
    write_file_atomically(state_->directory + "/summary.json", summary_json(summary));
}

}  // namespace firecaffe
