// SPDX-License-Identifier: Apache-2.0
#include "config/document.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

[[noreturn]] void fail_override(const std::string& assignment, const std::string& what) {
    throw ConfigError("--set ", printable(assignment, 80), ": ", what);
}

Path split(const std::string& assignment, std::string_view dotted) {
    Path path;
    for (std::size_t begin = 0; begin <= dotted.size();) {
        const std::size_t end = std::min(dotted.find('.', begin), dotted.size());
        if (end == begin) fail_override(assignment, "the path has an empty part; write solver.base_lr=0.1");
        path.emplace_back(dotted.substr(begin, end - begin));
        begin = end + 1;
    }
    if (path.size() > kDeepest) fail_override(assignment, text("the path is deeper than ", kDeepest, " levels"));
    return path;
}

/// JSON if it is JSON. What starts like a structure is meant as one; all else is a string.
Json value_of(const std::string& assignment, std::string_view value) {
    const bool structured = value.starts_with('{') || value.starts_with('[') || value.starts_with('"');
    try {
        return parse_json(value, "value");
    } catch (const ConfigError& error) {
        if (structured || value.size() > kLargestText) fail_override(assignment, error.what());
    }
    Json string = std::string(value);
    try {
        static_cast<void>(string.dump());
    } catch (const Json::exception&) {
        fail_override(assignment, "the value is not UTF-8");
    }
    return string;
}

bool is_prefix(const Path& shorter, const Path& longer) {
    return shorter.size() <= longer.size() && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

}  // namespace

std::string read_file(const std::string& path) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
        throw MissingInputError("'", printable(path), "' is a directory; name the JSON file in it");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw MissingInputError("cannot open '", printable(path), "'; check the path and the permissions");
    std::string text(kLargestText + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) throw MissingInputError("cannot read '", printable(path), "'");
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

std::string resolved(const std::string& from, const std::string& path) {
    const std::filesystem::path named(path);
    return path.empty() || named.is_absolute() ? path : (std::filesystem::path(from).parent_path() / named).string();
}

Document::Document(std::string text, std::string file)
    : main_{std::move(file), std::move(text)}, root_(parse_json(main_.text, main_.file)) {}

void Document::apply_override(const std::string& assignment) {
    const std::size_t equals = assignment.find('=');
    if (equals == assignment.npos) fail_override(assignment, "no '='; write solver.base_lr=0.1");
    const Path path = split(assignment, std::string_view(assignment).substr(0, equals));
    Json value = value_of(assignment, std::string_view(assignment).substr(equals + 1));
    if (path.front() == "net" && path.size() > 1) load_net();

    Json* at = &root_;
    std::size_t existed = path.size();  // so many parts of the path stand in the document already
    for (std::size_t i = 0; i < path.size(); ++i) {
        const Path here(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(i));
        if (at->is_object()) {
            if (!at->contains(path[i]) && existed == path.size()) existed = i;
            at = &(*at)[path[i]];
            if (i + 1 < path.size() && at->is_null()) *at = Json::object();
        } else if (at->is_array()) {
            std::size_t index = at->size();
            const char* end = path[i].data() + path[i].size();
            const auto parsed = std::from_chars(path[i].data(), end, index);
            if (parsed.ec != std::errc() || parsed.ptr != end || index >= at->size() ||
                path[i] != std::to_string(index))
                fail_override(assignment, text(pointer(here), " is ", shown(*at), "; '", printable(path[i], 40),
                                               "' is no index of it (0 is the first)"));
            at = &(*at)[index];
        } else {
            fail_override(assignment, text(pointer(here), " is ", shown(*at), " and has no '", printable(path[i], 40),
                                           "' inside; set the whole of it"));
        }
    }
    *at = std::move(value);
    const std::size_t made = std::min(existed + 1, path.size());
    overrides_.push_back({Path(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(made)), assignment});
}

void Document::load_net() {
    if (!root_.is_object()) return;
    const auto net = root_.find("net");
    if (net == root_.end() || !net->is_string()) return;
    const std::string path = resolved(main_.file, net->get<std::string>());
    Text loaded{path, {}};
    try {
        loaded.text = read_file(path);
    } catch (const MissingInputError& error) {
        throw MissingInputError(place({"net"}, Spot::value).where, ": /net: ", error.what());
    }
    *net = parse_json(loaded.text, loaded.file);
    net_ = std::move(loaded);
    // From here on, what lies inside of `net` was said by that file.
    std::erase_if(overrides_, [](const Override& o) { return o.path.front() == "net"; });
    if (!root_["net"].is_object()) fail({"net"}, "expected an object, found " + shown(root_["net"]));
}

const Document::Override* Document::override_of(const Path& path) const {
    for (std::size_t i = overrides_.size(); i-- > 0;)
        if (is_prefix(overrides_[i].path, path)) return &overrides_[i];
    return nullptr;
}

std::string Document::stated_by(const Override& o) {
    return "--set " + printable(o.assignment, 80);
}

Document::Source Document::source_of(const Path& path) const {
    const bool in_net = !net_.file.empty() && !path.empty() && path.front() == "net";
    const std::size_t skip = in_net ? 1 : 0;
    return {in_net ? net_ : main_, skip, Path(path.begin() + static_cast<std::ptrdiff_t>(skip), path.end())};
}

Document::Place Document::place(const Path& path, Spot spot) const {
    if (const Override* o = override_of(path)) return {stated_by(*o), 0};
    auto [source, skip, inner] = source_of(path);
    // What an override made inside has no place of its own in the text: take what surrounds it.
    std::optional<std::size_t> offset;
    while (!(offset = locate(source.text, inner, spot == Spot::key)) && !inner.empty()) inner.pop_back();
    return {text(source.file, ":", line_and_column(source.text, offset.value_or(0))), skip};
}

std::vector<std::string> Document::places_of_elements(const Path& path, std::size_t count) const {
    const auto [source, skip, inner] = source_of(path);
    const std::vector<std::size_t> offsets = locate_elements(source.text, inner);
    std::vector<std::string> places;
    Path element = path;
    element.emplace_back();
    for (std::size_t i = 0; i < count; ++i) {
        element.back() = std::to_string(i);
        if (const Override* o = override_of(element))
            places.push_back(text(stated_by(*o), ": ", pointer(element)));
        else
            places.push_back(
                text(source.file, ":", line_and_column(source.text, offsets.at(i)), ": ", pointer(element, skip)));
    }
    return places;
}

void Document::fail(const Path& path, const std::string& what, Spot spot) const {
    const Place at = place(path, spot);
    throw ConfigError(at.where, ": ", printable(pointer(path, at.skip)), ": ", printable(what, 400));
}

}  // namespace firecaffe::config
