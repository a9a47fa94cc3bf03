// Tests of rtc/sdp: offers as clients write them (tests/fuzz/corpus/sdp, written by hand after
// them) and all of tests/data/offers (taken from them), the answers, and what is wrong with bad
// ones.
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "rtc/sdp.h"
#include "rtc/sdp_line.h"
#include "tests/unit.h"

#define CORPUS "tests/fuzz/corpus/sdp/"
#define OFFERS "tests/data/offers/"

static const struct prl_ice_credentials ours = {"serverfr", "serverpasswordserverpass"};
static const uint8_t fingerprint[PRL_SDP_FINGERPRINT_SIZE] = {0xab, 1, 2, 3};

// The file with its size; the caller frees it.
static char *read_file(const char *folder, const char *name, size_t *len)
{
    char path[300];
    (void)snprintf(path, sizeof(path), "%s%s", folder, name);
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    char *text = prl_mem_zalloc(PRL_SDP_SIZE_MAX + 1);
    *len = file && text ? fread(text, 1, PRL_SDP_SIZE_MAX, file) : 0;
    if (file)
        (void)fclose(file);
    return text;
}

static bool parse_file(struct prl_sdp *sdp, const char *name)
{
    char why[PRL_RTC_WHY_SIZE];
    size_t len;
    char *text = read_file(CORPUS, name, &len);
    enum prl_err err = prl_sdp_parse(sdp, PRL_SDP_OFFER, text, len, why);
    EXPECT_TEXT(why, "");
    prl_mem_free(text);
    return err == PRL_OK;
}

static struct prl_sdp_local local_of(const struct prl_sdp *offer,
                                     struct prl_sdp_candidate candidates[4])
{
    static const char *const hosts[] = {"192.0.2.1", "2001:db8::1", "203.0.113.5", "192.0.2.1"};
    for (size_t i = 0; i < 4; i++) {
        candidates[i].tcp = i == 3;
        EXPECT(prl_addr_parse(&candidates[i].address, hosts[i], (uint16_t)(8189 + i)));
    }
    return (struct prl_sdp_local){
        .ice = &ours,
        .fingerprint = fingerprint,
        .setup = prl_sdp_answer_setup(offer->setup),
        .session_id = 4611686018427387904ULL,
        .version = 1,
        .ssrc = 3000000000U,
        .cname = "parley7",
        .data = true,
        .message_size_max = 262144,
        .candidates = candidates,
        .candidate_count = 4,
    };
}

// Answers the offer and reads the answer as its client would.
static bool answer_and_reread(const struct prl_sdp *offer, struct prl_str *text,
                              struct prl_sdp *answer)
{
    char why[PRL_RTC_WHY_SIZE];
    struct prl_sdp_candidate candidates[4];
    struct prl_sdp_local local = local_of(offer, candidates);
    prl_str_init(text, PRL_SDP_ANSWER_MAX);
    EXPECT_OK(prl_sdp_answer(offer, &local, text));
    enum prl_err err = prl_sdp_parse(answer, PRL_SDP_ANSWER, prl_str_text(text), text->len, why);
    EXPECT_TEXT(why, "");
    if (err)
        return false;
    EXPECT_INT(answer->media_count, offer->media_count);
    for (size_t i = 0; i < offer->media_count; i++) {
        EXPECT_TEXT(answer->media[i].kind, offer->media[i].kind);
        EXPECT_TEXT(answer->media[i].mid, offer->media[i].mid);
        EXPECT_TEXT(answer->media[i].protocol, offer->media[i].protocol);
        EXPECT_INT(answer->media[i].use, offer->media[i].use);
    }
    EXPECT_INT(answer->codec_count, offer->codec_count);
    for (size_t i = 0; i < offer->codec_count; i++) {
        EXPECT_INT(answer->codecs[i].codec, offer->codecs[i].codec);
        EXPECT_INT(answer->codecs[i].payload_type, offer->codecs[i].payload_type);
    }
    EXPECT_INT(answer->direction, prl_sdp_mirror(offer->direction));
    EXPECT(answer->bundle == offer->bundle && answer->ice_lite);
    EXPECT(answer->end_of_candidates && answer->candidate_count == 4);
    EXPECT_TEXT(answer->ice.ufrag, ours.ufrag);
    EXPECT_TEXT(answer->ice.password, ours.password);
    EXPECT_INT(answer->setup, prl_sdp_answer_setup(offer->setup));
    EXPECT(answer->nack == offer->nack && answer->transport_cc == offer->transport_cc);
    EXPECT_INT(answer->transport_cc_id, offer->transport_cc_id);
    EXPECT_INT(answer->mid_id, offer->mid_id);
    EXPECT_INT(answer->audio_level_id, offer->audio_level_id);
    EXPECT_INT(answer->fingerprint_count, 1);
    EXPECT(memcmp(answer->fingerprints[0], fingerprint, sizeof(fingerprint)) == 0);
    if (offer->has_data)
        EXPECT_INT(answer->message_size_max, 262144);
    return true;
}

PRL_TEST(chromium_is_understood)
{
    struct prl_sdp sdp;
    REQUIRE(parse_file(&sdp, "chromium"));
    EXPECT_INT(sdp.media_count, 2);
    EXPECT(sdp.bundle && sdp.has_data && !sdp.data_old_form);
    EXPECT_TEXT(sdp.ice.ufrag, "9Xk4");
    EXPECT_TEXT(sdp.ice.password, "q1w2e3r4t5y6u7i8o9p0a+s/");
    EXPECT_INT(sdp.setup, PRL_SDP_ACTPASS);
    EXPECT_INT(sdp.fingerprint_count, 1);
    EXPECT_INT(sdp.fingerprints[0][0], 0xa0);
    EXPECT_INT(sdp.fingerprints[0][31], 0xf5);
    EXPECT_INT(sdp.candidate_count, 1); // the .local name is left out
    EXPECT(sdp.candidates[0].tcp && !sdp.end_of_candidates);
    EXPECT_INT(sdp.codec_count, 3);
    EXPECT_INT(sdp.codecs[0].codec, PRL_RTC_OPUS);
    EXPECT_INT(sdp.codecs[0].payload_type, 111);
    EXPECT_INT(sdp.codecs[1].codec, PRL_RTC_PCMU);
    EXPECT_INT(sdp.codecs[2].payload_type, 8);
    EXPECT(sdp.opus_fec && sdp.transport_cc && !sdp.nack && sdp.rtcp_rsize);
    EXPECT_INT(sdp.transport_cc_id, 3);
    EXPECT_INT(sdp.audio_level_id, 1);
    EXPECT_INT(sdp.mid_id, 4);
    EXPECT_INT(sdp.ssrc, 3735928559U);
    EXPECT_INT(sdp.direction, PRL_SDP_SENDRECV);
    EXPECT_INT(sdp.sctp_port, 5000);
    EXPECT_INT(sdp.message_size_max, 262144);
}

PRL_TEST(firefox_and_safari_are_understood)
{
    struct prl_sdp sdp;
    REQUIRE(parse_file(&sdp, "firefox"));
    EXPECT_INT(sdp.fingerprint_count, 1); // of the session
    EXPECT_INT(sdp.codecs[0].payload_type, 109);
    EXPECT_INT(sdp.candidate_count, 2);
    EXPECT(sdp.end_of_candidates);
    EXPECT_INT(sdp.mid_id, 3);
    EXPECT_INT(sdp.message_size_max, 1073741823);
    REQUIRE(parse_file(&sdp, "safari"));
    EXPECT_INT(sdp.codecs[0].payload_type, 96);
    EXPECT_TEXT(sdp.ice.ufrag, "u/+A");
    EXPECT_TEXT(sdp.media[1].mid, "data");
    EXPECT_INT(sdp.message_size_max, 65536); // not said
}

PRL_TEST(other_stacks_are_understood)
{
    struct prl_sdp sdp;
    REQUIRE(parse_file(&sdp, "pion"));
    EXPECT(sdp.nack && sdp.transport_cc);
    EXPECT_INT(sdp.candidate_count, 1); // component 2 is none of ours
    REQUIRE(parse_file(&sdp, "gstreamer"));
    EXPECT(!sdp.bundle && !sdp.has_data && sdp.nack && !sdp.opus_fec);
    EXPECT_INT(sdp.codecs[0].codec, PRL_RTC_PCMU); // without rtpmap, and wanted first
    EXPECT_INT(sdp.codecs[1].payload_type, 97);
    EXPECT_INT(sdp.opus_bitrate_max, 20000);
    EXPECT_INT(sdp.direction, PRL_SDP_SENDONLY);
    EXPECT_INT(sdp.fingerprints[0][1], 0x1b); // lower case
    REQUIRE(parse_file(&sdp, "old_form"));
    EXPECT(sdp.has_data && sdp.data_old_form && sdp.bundle);
    EXPECT_INT(sdp.sctp_port, 5002);
    EXPECT_TEXT(sdp.ice.ufrag, "sess");
    EXPECT_INT(sdp.setup, PRL_SDP_PASSIVE);
    EXPECT_INT(sdp.direction, PRL_SDP_INACTIVE);
}

PRL_TEST(a_refused_line_may_carry_the_transport)
{
    struct prl_sdp sdp;
    REQUIRE(parse_file(&sdp, "video_first"));
    EXPECT_INT(sdp.media[0].use, PRL_SDP_REFUSED);
    EXPECT_INT(sdp.media[1].use, PRL_SDP_AUDIO);
    EXPECT_INT(sdp.media[2].use, PRL_SDP_DATA);
    EXPECT_TEXT(sdp.ice.ufrag, "4JKu");
    EXPECT_INT(sdp.fingerprint_count, 1); // the others are not of SHA-256
    EXPECT_INT(sdp.message_size_max, UINT32_MAX);
    EXPECT_INT(sdp.sctp_port, 5001);
}

PRL_TEST(every_offer_is_answered)
{
    static const char *const names[] = {"chromium",  "firefox",  "safari",     "pion",
                                        "gstreamer", "old_form", "video_first"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct prl_sdp offer;
        struct prl_sdp answer;
        struct prl_str text = {0};
        REQUIRE(parse_file(&offer, names[i]));
        EXPECT(answer_and_reread(&offer, &text, &answer));
        prl_str_free(&text);
    }
}

PRL_TEST(every_offer_of_a_real_client_is_answered)
{
    DIR *folder = opendir(OFFERS);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL) { // NOLINT(concurrency-mt-unsafe)
        if (!strstr(entry->d_name, ".sdp"))
            continue;
        struct prl_sdp offer;
        struct prl_sdp answer;
        struct prl_str written = {0};
        char why[PRL_RTC_WHY_SIZE];
        size_t len;
        char *text = read_file(OFFERS, entry->d_name, &len);
        enum prl_err err = prl_sdp_parse(&offer, PRL_SDP_OFFER, text, len, why);
        bool audio = strstr(entry->d_name, "audio") || strstr(entry->d_name, "pcmu");
        EXPECT_TEXT(why, audio ? "" : "there is no m=audio line");
        EXPECT(!err == audio);
        if (!err && !answer_and_reread(&offer, &written, &answer))
            prl_test_failed(OFFERS, 0, entry->d_name);
        prl_str_free(&written);
        prl_mem_free(text);
    }
    if (folder)
        (void)closedir(folder);
}

PRL_TEST(the_answer_to_chromium_word_for_word)
{
    struct prl_sdp offer;
    struct prl_sdp answer;
    struct prl_str text = {0};
    REQUIRE(parse_file(&offer, "chromium"));
    EXPECT(answer_and_reread(&offer, &text, &answer));
    const char *transport =
        "a=ice-ufrag:serverfr\r\na=ice-pwd:serverpasswordserverpass\r\n"
        "a=fingerprint:sha-256 AB:01:02:03:00:00:00:00:00:00:00:00:00:00:00:00:"
        "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\r\na=setup:passive\r\n";
    struct prl_str expected;
    prl_str_init(&expected, PRL_SDP_ANSWER_MAX);
    prl_str_addf(
        &expected,
        "v=0\r\no=- 4611686018427387904 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n"
        "a=group:BUNDLE 0 1\r\n"
        "m=audio 8189 UDP/TLS/RTP/SAVPF 111 0 8\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\n"
        "a=sendrecv\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=fmtp:111 minptime=10;useinbandfec=1;stereo=0\r\na=rtcp-fb:111 transport-cc\r\n"
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "a=msid:parley7 parley7-audio\r\na=ssrc:3000000000 cname:parley7\r\n%s"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 2001:db8::1 8190 typ host\r\n"
        "a=candidate:3 1 udp 2130705919 203.0.113.5 8191 typ host\r\n"
        "a=candidate:4 1 tcp 1520434431 192.0.2.1 8192 typ host tcptype passive\r\n"
        "a=end-of-candidates\r\n"
        "m=application 8189 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.1\r\n"
        "a=mid:1\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n%s",
        transport, transport);
    EXPECT_TEXT(prl_str_text(&text), prl_str_text(&expected));
    prl_str_free(&expected);
    prl_str_free(&text);
}

PRL_TEST(refused_lines_stay_in_their_place)
{
    struct prl_sdp offer;
    struct prl_sdp answer;
    struct prl_str text = {0};
    REQUIRE(parse_file(&offer, "video_first"));
    EXPECT(answer_and_reread(&offer, &text, &answer));
    const char *video = strstr(prl_str_text(&text), "m=video 0 UDP/TLS/RTP/SAVPF 97\r\n");
    const char *audio = strstr(prl_str_text(&text), "m=audio 8189 ");
    EXPECT(video && audio && video < audio);
    EXPECT(strstr(prl_str_text(&text), "a=group:BUNDLE 1 2\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=rtpmap:97 VP8/90000\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=sendonly\r\n") != NULL);
    prl_str_free(&text);
    // Without a data channel of ours that line is refused as well.
    struct prl_sdp_candidate candidates[4];
    struct prl_sdp_local local = local_of(&offer, candidates);
    local.data = false;
    local.candidate_count = 0;
    local.setup = PRL_SDP_ACTIVE;
    EXPECT_OK(prl_sdp_answer(&offer, &local, &text));
    EXPECT(strstr(prl_str_text(&text), "a=group:BUNDLE 1\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "m=application 0 ") != NULL);
    EXPECT(strstr(prl_str_text(&text), "m=audio 9 ") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=setup:active\r\n") != NULL);
    prl_str_free(&text);
}

PRL_TEST(the_old_form_is_answered_in_the_old_form)
{
    struct prl_sdp offer;
    struct prl_sdp answer;
    struct prl_str text = {0};
    REQUIRE(parse_file(&offer, "old_form"));
    EXPECT(answer_and_reread(&offer, &text, &answer));
    EXPECT(strstr(prl_str_text(&text), "m=application 8189 DTLS/SCTP 5002\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=sctpmap:5002 webrtc-datachannel 1024\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=setup:active\r\n") != NULL);
    EXPECT(strstr(prl_str_text(&text), "a=ssrc:") == NULL); // inactive
    EXPECT(answer.data_old_form && answer.sctp_port == 5002);
    prl_str_free(&text);
}

PRL_TEST(the_largest_answer_fits)
{
    struct prl_sdp offer;
    struct prl_sdp answer;
    struct prl_str text = {0};
    REQUIRE(parse_file(&offer, "chromium"));
    while (offer.media_count < PRL_SDP_MEDIA_MAX) {
        struct prl_sdp_media *media = &offer.media[offer.media_count++];
        *media = (struct prl_sdp_media){0};
        memset(media->kind, 'k', sizeof(media->kind) - 1);
        memset(media->protocol, 'p', sizeof(media->protocol) - 1);
        memset(media->format, 'f', sizeof(media->format) - 1);
        memset(media->encoding, 'e', sizeof(media->encoding) - 1);
        memset(media->mid, 'm', sizeof(media->mid) - 1);
        media->mid[0] = (char)('A' + offer.media_count - 3);
    }
    EXPECT(answer_and_reread(&offer, &text, &answer));
    prl_str_free(&text);
}

// The offer of Chromium with one line replaced (NULL: left out), and what is said about it.
static void expect_wrong(const char *line, const char *instead, const char *complaint)
{
    size_t len;
    char why[PRL_RTC_WHY_SIZE];
    struct prl_sdp sdp;
    struct prl_str text;
    char *original = read_file(CORPUS, "chromium", &len);
    prl_str_init(&text, (size_t)2 * PRL_SDP_SIZE_MAX);
    struct prl_sdp_lines lines = {.at = original, .end = original + len};
    bool found = false;
    while (prl_sdp_next(&lines)) {
        bool here = strncmp(lines.line.at, line, strlen(line)) == 0;
        found |= here;
        if (here && instead)
            prl_str_adds(&text, instead);
        else if (!here)
            prl_str_add(&text, lines.line.at, lines.line.len);
        if (!here || instead)
            prl_str_adds(&text, "\r\n");
    }
    EXPECT(found);
    EXPECT_INT(prl_sdp_parse(&sdp, PRL_SDP_OFFER, prl_str_text(&text), text.len, why),
               PRL_ERR_INVALID);
    EXPECT_TEXT(why, complaint);
    prl_str_free(&text);
    prl_mem_free(original);
}

PRL_TEST(complaints_name_the_line)
{
    expect_wrong("v=0", "v=1", "line 1: the offer does not begin with v=0");
    expect_wrong("s=-", "what", "line 3: not of the form LETTER=VALUE");
    expect_wrong("s=-", "s=\r-", "line 3: not of the form LETTER=VALUE");
    expect_wrong("a=rtcp-mux", NULL, "line 8: audio without a=rtcp-mux, which is needed");
    expect_wrong("m=audio", "m=audio 9 RTP/AVP 111",
                 "line 8: audio needs DTLS-SRTP (UDP/TLS/RTP/SAVPF)");
    expect_wrong("m=audio", "m=audio 0 UDP/TLS/RTP/SAVPF 111",
                 "line 8: audio with port 0 is no audio");
    expect_wrong("m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF 9 63 126",
                 "line 8: audio without Opus (opus/48000/2), PCMU or PCMA");
    expect_wrong("m=audio", "m=audio x UDP/TLS/RTP/SAVPF 9",
                 "line 8: not of the form m=KIND PORT PROTOCOL FORMATS");
    expect_wrong("m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF",
                 "line 8: not of the form m=KIND PORT PROTOCOL FORMATS");
    expect_wrong("m=audio", "m=message 9 TCP/MSRP *", "there is no m=audio line");
    expect_wrong("a=ice-ufrag", "a=ice-ufrag:abc",
                 "line 13: a=ice-ufrag must be 4 to 256 letters, digits, + or /");
    expect_wrong("a=ice-ufrag", "a=ice-ufrag:ab:cd",
                 "line 13: a=ice-ufrag must be 4 to 256 letters, digits, + or /");
    expect_wrong("a=ice-ufrag", NULL, "line 8: no a=ice-ufrag for this line");
    expect_wrong("a=ice-pwd", NULL, "line 8: no a=ice-pwd for this line");
    expect_wrong("a=ice-pwd", "a=ice-pwd:short",
                 "line 14: a=ice-pwd must be 22 to 256 letters, digits, + or /");
    expect_wrong("a=ice-options", "a=ice-lite",
                 "line 15: the offer is of an ICE-lite agent, and so are we: one side must be able "
                 "to send checks");
    expect_wrong("a=fingerprint", NULL, "line 8: no a=fingerprint for this line");
    expect_wrong("a=fingerprint", "a=fingerprint:sha-1 AB:CD",
                 "line 16: the fingerprint must be of sha-256; others are not taken");
    expect_wrong("a=fingerprint", "a=fingerprint:sha-256 AB:CD",
                 "line 16: a fingerprint of sha-256 is 32 bytes in hexadecimal with colons");
    expect_wrong("a=setup", "a=setup:holdconn",
                 "line 17: a=setup must be actpass, active or passive");
    expect_wrong("a=mid", "a=mid:0", "line 47: this mid has been given before");
    expect_wrong("a=mid", "a=mid:a b", "line 18: a=mid must be one word of at most 32 characters");
    expect_wrong("a=group", NULL,
                 "line 39: data channels must be in one a=group:BUNDLE with the audio");
    expect_wrong("a=sctp-port", NULL,
                 "line 40: data channels need an SCTP port of 1 to 65535 (a=sctp-port)");
    expect_wrong("a=sctp-port", "a=sctp-port:65536",
                 "line 48: data channels need an SCTP port of 1 to 65535 (a=sctp-port)");
    expect_wrong("a=max-message-size", "a=max-message-size:-1",
                 "line 49: a=max-message-size is not a number");
}

PRL_TEST(sizes_are_bounded)
{
    struct prl_sdp sdp;
    char why[PRL_RTC_WHY_SIZE];
    struct prl_str text;
    prl_str_init(&text, (size_t)2 * PRL_SDP_SIZE_MAX);
    prl_str_adds(&text, "v=0\n");
    for (int i = 0; i <= PRL_SDP_MEDIA_MAX; i++)
        prl_str_adds(&text, "m=video 9 X 1\n");
    EXPECT_INT(prl_sdp_parse(&sdp, PRL_SDP_OFFER, text.data, text.len, why), PRL_ERR_INVALID);
    EXPECT_TEXT(why, "line 34: more than 32 m= lines");
    prl_str_clear(&text);
    prl_str_adds(&text, "v=0\na=");
    for (int i = 0; i < PRL_SDP_LINE_MAX; i++)
        prl_str_addc(&text, 'x');
    EXPECT_INT(prl_sdp_parse(&sdp, PRL_SDP_OFFER, text.data, text.len, why), PRL_ERR_INVALID);
    EXPECT_TEXT(why, "line 2: longer than 4096 bytes");
    while (text.len <= PRL_SDP_SIZE_MAX)
        prl_str_adds(&text, "\na=y");
    EXPECT_INT(prl_sdp_parse(&sdp, PRL_SDP_OFFER, text.data, text.len, why), PRL_ERR_INVALID);
    EXPECT_TEXT(why, "the offer is longer than 65536 bytes");
    EXPECT_INT(prl_sdp_parse(&sdp, PRL_SDP_OFFER, "", 0, why), PRL_ERR_INVALID);
    EXPECT_TEXT(why, "line 1: the offer does not begin with v=0");
    prl_str_free(&text);
}

PRL_TEST(more_fingerprints_and_candidates_than_we_keep)
{
    struct prl_sdp sdp;
    char why[PRL_RTC_WHY_SIZE];
    struct prl_str text;
    prl_str_init(&text, PRL_SDP_SIZE_MAX);
    prl_str_adds(&text, "v=0\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=rtcp-mux\na=ice-ufrag:abcd\n"
                        "a=ice-pwd:abcdefghijklmnopqrstuvwx\n");
    for (int i = 0; i < 20; i++) {
        prl_str_adds(&text, "a=candidate:1 1 UDP 1 192.0.2.1 9 typ host\na=fingerprint:sha-256 ");
        for (int j = 0; j < 31; j++)
            prl_str_addf(&text, "%02x:", i);
        prl_str_addf(&text, "%02X\n", i);
    }
    EXPECT_OK(prl_sdp_parse(&sdp, PRL_SDP_OFFER, text.data, text.len, why));
    EXPECT_INT(sdp.fingerprint_count, PRL_SDP_FINGERPRINTS_MAX);
    EXPECT_INT(sdp.fingerprints[3][31], 3);
    EXPECT_INT(sdp.candidate_count, PRL_SDP_CANDIDATES_MAX);
    prl_str_free(&text);
}

PRL_TEST(every_cut_of_an_offer_is_survived)
{
    size_t len;
    char why[PRL_RTC_WHY_SIZE];
    struct prl_sdp sdp;
    char *text = read_file(CORPUS, "video_first", &len);
    for (size_t cut = 0; cut < len; cut++) {
        char *copy = prl_mem_dup(text, cut + (cut == 0)); // the sanitizer sees the end
        if (prl_sdp_parse(&sdp, PRL_SDP_OFFER, copy, cut, why) != PRL_OK)
            EXPECT(why[0] != '\0');
        prl_mem_free(copy);
    }
    prl_mem_free(text);
}

PRL_TEST_OOM(the_answer_reports_what_it_lacks)
{
    struct prl_sdp offer;
    struct prl_sdp_candidate candidates[4];
    struct prl_str text;
    memset(&offer, 0, sizeof(offer));
    offer.media_count = offer.codec_count = 1;
    offer.media[0] = (struct prl_sdp_media){
        .use = PRL_SDP_AUDIO, .kind = "audio", .protocol = "UDP/TLS/RTP/SAVPF", .format = "0"};
    struct prl_sdp_local local = local_of(&offer, candidates);
    prl_str_init(&text, PRL_SDP_ANSWER_MAX);
    enum prl_err err = prl_sdp_answer(&offer, &local, &text);
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && prl_test_oom()));
    prl_str_free(&text);
    prl_str_init(&text, 200);
    err = prl_sdp_answer(&offer, &local, &text);
    EXPECT(err == PRL_ERR_LIMIT || (err == PRL_ERR_NOMEM && prl_test_oom()));
    prl_str_free(&text);
}
