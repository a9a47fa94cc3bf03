// folder.h -- what kind of sherpa-onnx model lies in a folder of the user's.
//
// Knows by file names: tokens.txt with
//   model[.int8].onnx                          SenseVoice or Paraformer (told apart by the model's
//                                              own description, else by the folder's name)
//   encoder*.onnx + decoder*.onnx              streaming Paraformer
//   encoder*.onnx + decoder*.onnx + joiner*    zipformer transducer, streaming or not
// Where there are several of one kind, an int8 file is taken first.
// Threads:  any; reads the folder and the last 64 KiB of a model.
// Errors:   NOTFOUND, INVALID, LIMIT with one line in `why` that names what is missing.
#ifndef PRL_STT_FOLDER_H
#define PRL_STT_FOLDER_H

#include <stddef.h>

#include "base/err.h"

enum prl_folder_kind {
    PRL_FOLDER_SENSE_VOICE,
    PRL_FOLDER_PARAFORMER,
    PRL_FOLDER_STREAMING_PARAFORMER,
    PRL_FOLDER_TRANSDUCER,
    PRL_FOLDER_STREAMING_TRANSDUCER
};

enum { PRL_FOLDER_PATH_MAX = 1024 };

struct prl_folder {
    enum prl_folder_kind kind;
    char tokens[PRL_FOLDER_PATH_MAX];
    char model[PRL_FOLDER_PATH_MAX]; // SENSE_VOICE, PARAFORMER
    char encoder[PRL_FOLDER_PATH_MAX];
    char decoder[PRL_FOLDER_PATH_MAX];
    char joiner[PRL_FOLDER_PATH_MAX];
};

enum prl_err prl_folder_look(struct prl_folder *folder, const char *dir, char *why,
                             size_t why_size) PRL_MUST_USE;
const char *prl_folder_kind_name(enum prl_folder_kind kind);

#endif
