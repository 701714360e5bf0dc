// SPDX-License-Identifier: Apache-2.0
#include "data/image_list.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "firecaffe/core/error.hpp"

namespace firecaffe::data_detail {

namespace fs = std::filesystem;

namespace {

/// Opens a folder; errors while it is read are IoError, for then it was there.
std::vector<fs::directory_entry> entries(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::directory_entry> found;
    auto next = fs::directory_iterator(folder, error);
    if (error == std::errc::not_a_directory)
        throw DataError(folder.string(), ": not a folder; name the one that holds the class folders");
    if (error) throw MissingInputError(folder.string(), ": cannot be opened: ", error.message(), "; check the path");
    for (; next != fs::directory_iterator(); next.increment(error)) {
        if (error) break;
        if (next->path().filename().string().front() != '.') found.push_back(*next);
    }
    if (error) throw IoError(folder.string(), ": reading failed: ", error.message(), "; check the disk");
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.path().filename().string() < b.path().filename().string(); });
    return found;
}

bool is_folder(const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.is_directory(ignored);
}

bool is_jpeg_name(const fs::path& file) {
    std::string extension = file.extension().string();
    for (char& c : extension)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return extension == ".jpg" || extension == ".jpeg" || extension == ".jpe";
}

}  // namespace

LabelledImages find_in_folders(const std::string& root) {
    LabelledImages found;
    for (const fs::directory_entry& folder : entries(root)) {
        if (!is_folder(folder)) continue;
        const std::vector<fs::directory_entry> files = entries(folder.path());
        if (files.empty())
            throw DataError(folder.path().string(), ": a class folder without images; fill it or remove it");
        for (const fs::directory_entry& file : files) {
            if (is_folder(file) || !is_jpeg_name(file.path()))
                throw DataError(file.path().string(), ": not named .jpg, .jpeg or .jpe as images in a class folder ",
                                "are; convert it, move it away, or name the images in a 'list'");
            found.files.push_back((folder.path().filename() / file.path().filename()).string());
            found.labels.push_back(found.classes);
        }
        ++found.classes;
    }
    if (found.classes == 0)
        throw DataError(root, ": no class folders; put each class's images into a folder here, or name them in a ",
                        "'list'");
    return found;
}

LabelledImages read_list(const std::string& list, std::int64_t classes, std::int64_t limit) {
    std::error_code error;
    if (fs::is_directory(list, error)) throw DataError(list, ": a folder; name a file of lines 'path label'");
    std::ifstream lines(list);
    if (!lines)
        throw MissingInputError(list, ": cannot be opened: ", std::generic_category().message(errno),
                                "; check the path");
    LabelledImages found;
    found.classes = classes;
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line); ++number) {
        line.erase(line.find_last_not_of(" \t\r") + 1);
        if (line.empty()) continue;
        const std::size_t space = line.find_last_of(" \t");
        const std::size_t end = space == line.npos ? space : line.find_last_not_of(" \t", space);
        if (end == line.npos) throw DataError(list, ":", number, ": '", line, "' has no label; write 'path label'");
        std::int64_t label = 0;
        const char* last = line.data() + line.size();
        const auto [stop, bad] = std::from_chars(line.data() + space + 1, last, label);
        if (bad != std::errc() || stop != last)
            throw DataError(list, ":", number, ": '", line.substr(space + 1),
                            "' is not a label; write 'path label', the label a number");
        if (label < 0 || label >= classes)
            throw DataError(list, ":", number, ": label ", label, ", not in [0, ", classes,
                            "); raise 'classes' or correct the line");
        found.files.push_back(line.substr(0, end + 1));
        found.labels.push_back(label);
        if (limit > 0 && found.files.size() == static_cast<std::size_t>(limit)) break;
    }
    if (lines.bad()) throw IoError(list, ": reading failed; check the disk");
    if (found.files.empty()) throw DataError(list, ": names no images; write a line 'path label' for each");
    return found;
}

}  // namespace firecaffe::data_detail
