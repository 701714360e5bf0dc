// SPDX-License-Identifier: Apache-2.0
#include "train/plan_file.hpp"

#include "firecaffe/core/error.hpp"
#include "firecaffe/train/run_files.hpp"
#include "model_io/files.hpp"

namespace firecaffe {

std::string PlanFile::add_file() const {
    try {
        return plans_.add(std::string(model_io::as_text(model_io::read_bytes(path_))), path_);
    } catch (const MissingInputError&) {
        return "";
    }
}

std::string PlanFile::read() {
    if (path_.empty()) return "";
    const std::size_t before = plans_.count();  // another trainer of this process may have chosen some
    const std::string reason = add_file();
    rewrite_ = !reason.empty() || before > 0;
    kept_ = plans_.count();
    return reason.empty() ? "" : reason + "; the file is made anew";
}

std::string PlanFile::keep() {
    if (path_.empty() || (plans_.count() == kept_ && !rewrite_)) return "";
    std::string failure;
    try {
        [[maybe_unused]] const std::string of_no_use = add_file();  // others may have written meanwhile
        write_file_atomically(path_, plans_.text());
    } catch (const Error& e) {
        failure = text("plans of convolutions are not kept: ", std::string_view(e.what()));
    }
    rewrite_ = false;
    kept_ = plans_.count();
    return failure;
}

}  // namespace firecaffe
