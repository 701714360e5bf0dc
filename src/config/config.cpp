// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/config/config.hpp"

#include "config/document.hpp"
#include "config/read.hpp"

namespace firecaffe {

TrainOptions load_config(const ConfigSource& source) {
    return parse_config(config::read_file(source.path), source.path, source.overrides, source.custom_layers);
}

TrainOptions parse_config(std::string_view text, const std::string& path, const std::vector<std::string>& overrides,
                          const std::vector<std::string>& custom_layers) {
    config::Document document{std::string(text), path};
    for (const std::string& assignment : overrides) document.apply_override(assignment);
    document.load_net();
    TrainOptions options = config::read_train(document, custom_layers);
    for (DatasetOptions* set : {&options.data.train, &options.data.test}) {
        for (std::string* named : {&set->images, &set->labels, &set->root, &set->list})
            *named = config::resolved(path, *named);
    }
    return options;
}

NetSpec parse_net(std::string_view text, const std::string& path, const std::vector<std::string>& custom_layers) {
    return config::read_net(config::Document{std::string(text), path}, custom_layers);
}

}  // namespace firecaffe
