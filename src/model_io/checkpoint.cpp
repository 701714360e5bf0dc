// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/model_io/checkpoint.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "checkpoint_files.hpp"
#include "files.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

namespace fs = std::filesystem;
using namespace model_io;

namespace {

void remove_quietly(const fs::path& path) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
}

void make_directory(const fs::path& path) {
    if (::mkdir(path.c_str(), 0777) != 0) throw_io("create the directory", path, errno);
}

void make_root(const fs::path& root) {
    std::error_code error;
    if (fs::is_directory(root, error)) return;
    fs::create_directories(root, error);
    if (error) throw_io("create the directory", root, error.value());
    sync_directory(root.has_parent_path() ? root.parent_path() : fs::path("."));
}

Digest write_arrays(const fs::path& path, std::span<const NamedArray> arrays) {
    const SafetensorsPlan plan = plan_safetensors(arrays, {{"format", "firecaffe"}});
    DurableFile file(path);
    file.write(plan.head);
    for (const NamedArray* array : plan.arrays) file.write(array->data);
    return file.finish();
}

Digest write_text(const fs::path& path, std::string_view content) {
    DurableFile file(path);
    file.write(content);
    return file.finish();
}

/// Returns the content of SHA256SUMS.
std::string write_directory(const fs::path& directory, const CheckpointState& state, std::span<const NamedArray> model,
                            std::span<const NamedArray> solver) {
    make_directory(directory);
    const std::string sums = sums_text({write_text(directory / kCheckpointFiles[0], state.config),
                                        write_arrays(directory / kCheckpointFiles[1], model),
                                        write_arrays(directory / kCheckpointFiles[2], solver),
                                        write_text(directory / kCheckpointFiles[3], state_text(state))});
    write_text(directory / kSumsFile, sums);
    sync_directory(directory);
    return sums;
}

bool is_valid_and_has(const fs::path& directory, const std::string& sums) {
    try {
        read_checkpoint(directory);
        return as_text(read_bytes(directory / kSumsFile)) == sums;
    } catch (const Error&) {
        return false;
    }
}

/// Gives `temporary` its final name; what was there before is hidden and removed.
void publish(const fs::path& temporary, const fs::path& final_path, const std::string& sums) {
    struct stat info {};
    if (::lstat(final_path.c_str(), &info) != 0) {
        rename_path(temporary, final_path);
    } else if (!is_valid_and_has(final_path, sums)) {
        if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) != 0) {
            if (errno != EINVAL && errno != ENOSYS) throw_io("replace", final_path, errno);
            const fs::path aside = hidden_path(final_path.parent_path(), final_path.filename().string() + "-old");
            rename_path(final_path, aside);
            if (::rename(temporary.c_str(), final_path.c_str()) != 0) {
                const int reason = errno;
                ::rename(aside.c_str(), final_path.c_str());
                throw_io("rename to its final name", final_path, reason);
            }
            remove_quietly(aside);
        }
    }
    sync_directory(final_path.parent_path());
    remove_quietly(temporary);
}

void write_latest(const fs::path& root, const std::string& name) {
    const fs::path temporary = hidden_path(root, "latest");
    write_text(temporary, name + "\n");
    rename_path(temporary, root / "latest");
    sync_directory(root);
}

/// Hides a checkpoint, then removes it: a crash in the middle must not leave half a one under its name. Returns errno.
int hide_and_remove(const fs::path& root, std::int64_t iteration) {
    const std::string name = checkpoint_name(iteration);
    const fs::path hidden = hidden_path(root, name + "-old");
    if (::rename((root / name).c_str(), hidden.c_str()) != 0) return errno;
    remove_quietly(hidden);
    return 0;
}

/// Best effort: a checkpoint that cannot be removed does no harm to the one just saved.
void remove_older(const fs::path& root, std::int64_t iteration, std::int64_t keep) {
    if (keep == 0) return;
    std::vector<std::int64_t> saved;
    try {
        saved = list_checkpoints(root);
    } catch (const IoError&) {
        return;
    }
    std::erase_if(saved, [&](std::int64_t other) { return other > iteration; });
    for (std::size_t i = static_cast<std::size_t>(keep); i < saved.size(); ++i) hide_and_remove(root, saved[i]);
}

void clean_up(const fs::path& root) {
    std::error_code error;
    std::vector<fs::path> stale;
    for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error))
        if (is_abandoned(entry->path().filename().string())) stale.push_back(entry->path());
    for (const fs::path& path : stale) remove_quietly(path);
}

}  // namespace

std::string save_checkpoint(const std::string& root_directory, const CheckpointState& state,
                            std::span<const NamedArray> model, std::span<const NamedArray> solver, std::int64_t keep) {
    if (state.iteration < 0 || keep < 0)
        throw UsageError("a checkpoint of iteration ", state.iteration, " with keep = ", keep,
                         "; neither may be negative (keep = 0 keeps all)");
    const fs::path root = root_directory;
    const std::string name = checkpoint_name(state.iteration);
    const fs::path final_path = root / name;
    const fs::path temporary = hidden_path(root, std::to_string(state.iteration));
    try {
        make_root(root);
        clean_up(root);
        publish(temporary, final_path, write_directory(temporary, state, model, solver));
    } catch (const IoError& error) {
        remove_quietly(temporary);
        throw IoError("the checkpoint of iteration ", state.iteration, " was not saved: ", error.what(),
                      "; the previous checkpoint is intact");
    } catch (...) {
        remove_quietly(temporary);
        throw;
    }
    try {
        write_latest(root, name);
    } catch (const IoError& error) {
        remove_quietly(hidden_path(root, "latest"));
        throw IoError("the checkpoint of iteration ", state.iteration,
                      " is saved, but not the file that names it: ", error.what(),
                      "; the previous checkpoint is intact, too");
    }
    remove_older(root, state.iteration, keep);
    return final_path.string();
}

std::optional<std::string> find_checkpoint(const std::string& root_directory, std::vector<std::string>* passed_over) {
    const fs::path root = root_directory;
    std::error_code error;
    if (!fs::exists(root, error) && !error) return std::nullopt;
    for (const std::int64_t iteration : list_checkpoints(root)) {
        const fs::path path = root / checkpoint_name(iteration);
        try {
            read_checkpoint(path);
            return path.string();
        } catch (const Error& reason) {
            if (passed_over != nullptr)
                passed_over->push_back(text("passed over ", in_quotes(path.native()), ": ", reason.what()));
        }
    }
    return std::nullopt;
}

std::optional<std::string> checkpoint_to_resume(const std::string& root, std::vector<std::string>* passed_over) {
    std::vector<std::string> reasons;
    std::optional<std::string> found = find_checkpoint(root, &reasons);
    if (!found && !reasons.empty())
        throw DataError("no checkpoint under ", in_quotes(root), " is valid: ", reasons.front(),
                        reasons.size() > 1 ? text(" (and ", reasons.size() - 1, " more)") : "",
                        "; put back a copy, or start from the beginning in another directory");
    if (passed_over != nullptr) *passed_over = std::move(reasons);
    return found;
}

void require_no_checkpoints(const std::string& root) {
    std::error_code error;
    if (!fs::exists(root, error) && !error) return;
    const std::vector<std::int64_t> saved = list_checkpoints(root);
    if (!saved.empty())
        throw UsageError(in_quotes(root), " holds ", saved.size(), saved.size() == 1 ? " checkpoint" : " checkpoints",
                         " of an earlier run, the newest of iteration ", saved.front(),
                         "; go on from it with --resume, choose another output directory, or remove what is there with "
                         "--overwrite");
}

void remove_checkpoints(const std::string& root_directory) {
    const fs::path root = root_directory;
    std::error_code error;
    if (!fs::exists(root, error) && !error) return;
    for (const std::int64_t iteration : list_checkpoints(root))
        if (const int reason = hide_and_remove(root, iteration); reason != 0)
            throw_io("remove the checkpoint", root / checkpoint_name(iteration), reason);
    fs::remove(root / "latest", error);
}

Checkpoint load_checkpoint(const std::string& path) {
    fs::path normal = fs::absolute(path).lexically_normal();
    if (!normal.has_filename()) normal = normal.parent_path();
    std::error_code error;
    if (!fs::is_directory(normal, error))
        throw MissingInputError("there is no checkpoint ", in_quotes(normal.native()),
                                "; a checkpoint is a directory iter_<number>");
    try {
        return read_checkpoint(normal);
    } catch (const DataError& damage) {
        const std::optional<std::string> other = find_checkpoint(normal.parent_path().string());
        if (other) throw DataError(damage.what(), "; use the newest valid checkpoint beside it, ", in_quotes(*other));
        throw DataError(damage.what(), "; no valid checkpoint lies beside it: use a copy, or start from the beginning");
    }
}

SafetensorsFile load_model_file(const std::string& file) {
    const fs::path directory = fs::absolute(file).parent_path();
    std::error_code error;
    if (fs::path(file).filename() == kCheckpointFiles[1] && fs::exists(directory / kSumsFile, error))
        return load_checkpoint(directory.string()).model;
    return SafetensorsFile::load(file);
}

}  // namespace firecaffe
