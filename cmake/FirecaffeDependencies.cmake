# SPDX-License-Identifier: Apache-2.0
# Every third-party package, in one place. All of them are Debian 12 packages (scripts/packages.txt).

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto SSL)
find_package(ZLIB REQUIRED)
find_package(JPEG REQUIRED)
find_package(XxHash REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
if(FIRECAFFE_WITH_ONEDNN)
  find_package(OneDNN 2.6 REQUIRED)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()

include(FirecaffeMpi)
include(FirecaffeCuda)
if(FIRECAFFE_BUILD_CLI)
  find_package(CLI11 REQUIRED)
endif()
if(FIRECAFFE_BUILD_TESTS)
  find_package(Catch2 REQUIRED)
endif()

# All private: no public header of ours includes any of them.
function(firecaffe_link_dependencies target)
  target_link_libraries(${target} PRIVATE Threads::Threads fmt::fmt OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB JPEG::JPEG
                        XxHash::XxHash $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
                        $<BUILD_INTERFACE:Eigen3::Eigen>)
  if(FIRECAFFE_WITH_ONEDNN)
    target_link_libraries(${target} PRIVATE OneDNN::OneDNN OpenMP::OpenMP_CXX)
  endif()
  if(FIRECAFFE_MPI)
    target_link_libraries(${target} PRIVATE MPI::MPI_CXX)
  endif()
  if(FIRECAFFE_CUDA)
    firecaffe_link_cuda(${target})
  endif()
endfunction()
