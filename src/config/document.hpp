// SPDX-License-Identifier: Apache-2.0
// Document: a config as JSON, made of a file, the net's own file and overrides; knows which of them said what.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/json_reader.hpp"

namespace firecaffe::config {

/// The whole text of a file. Throws MissingInputError if it cannot be read, ConfigError if it is too large.
std::string read_file(const std::string& path);

/// `path` as seen from the folder of the file `from`.
std::string resolved(const std::string& from, const std::string& path);

class Document {
  public:
    /// Parses; throws ConfigError.
    Document(std::string text, std::string file);

    const Json& root() const { return root_; }
    const std::string& file() const { return main_.file; }

    /// "solver.base_lr=0.2"; loads the net's file first if the path leads into it.
    void apply_override(const std::string& assignment);

    /// Replaces `net` by the content of the file that it names, if it names one.
    void load_net();

    enum class Spot { value, key };

    /// Throws ConfigError with the place of `path` in whichever text stated it.
    [[noreturn]] void fail(const Path& path, const std::string& what, Spot spot = Spot::value) const;

    /// Places of the `count` elements of the array at `path`: "file:line:column: /layers/0" and so on, as fail() states
    /// them.
    std::vector<std::string> places_of_elements(const Path& path, std::size_t count) const;

  private:
    struct Text {
        std::string file, text;
    };
    struct Override {
        Path path;  ///< the first part of the document that it made or replaced
        std::string assignment;
    };

    struct Place {
        std::string where;  ///< "file:line:column", or the override
        std::size_t skip;   ///< parts of the path that lie outside of that file
    };

    /// The text that stated `path` unless an override did, and the path inside of that text.
    struct Source {
        const Text& text;
        std::size_t skip;  ///< parts of the whole path that lie outside
        Path path;
    };

    const Override* override_of(const Path& path) const;  ///< null if there is none
    static std::string stated_by(const Override& o);
    Source source_of(const Path& path) const;
    Place place(const Path& path, Spot spot) const;

    Text main_, net_;  ///< net_.file is empty while `net` is inline
    std::vector<Override> overrides_;
    Json root_;
};

}  // namespace firecaffe::config
