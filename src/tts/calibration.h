// calibration.h -- how fast Kokoro is on this machine, remembered between starts.
//
// Units:    work a second of sound (real-time factor).
// Threads:  any that may touch files. Errors: none; what cannot be read is measured again.
// Form:     one line a machine and number of threads in <folder>/tts-calibration, the newest first and at most
//           eight: "RTF THREADS VERSION CPU".
#ifndef PRL_TTS_CALIBRATION_H
#define PRL_TTS_CALIBRATION_H

// The figure for this processor, version and number of threads; 0 when there is none.
double prl_calibration_read(const char *folder, int threads);
void prl_calibration_write(const char *folder, int threads, double rtf);

#endif
