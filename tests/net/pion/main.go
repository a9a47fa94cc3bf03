// A caller on pion/webrtc for the end-to-end tests, driven by lines of JSON (see tests/net/callers.py).
//
//	pion offer WHAT          prints an offer with what the name WHAT holds: audio, video, data, pcmu, tcp
//	pion call WHAT           prints {"offer"}, reads {"answer"}, then {"say"|"send"|"restart"|"close"}
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
)

const frame = 20 * time.Millisecond

type command struct {
	Answer  string `json:"answer"`
	Say     string `json:"say"` // file of packets, each behind its length in two bytes
	Send    string `json:"send"`
	Restart bool   `json:"restart"`
	Close   bool   `json:"close"`
}

var printing sync.Mutex

func put(value map[string]interface{}) {
	printing.Lock()
	defer printing.Unlock()
	value["t"] = float64(time.Now().UnixMicro()) / 1e6
	text, _ := json.Marshal(value)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		put(map[string]interface{}{"failed": err.Error()})
		os.Exit(1)
	}
}

func api(what string) *webrtc.API {
	engine := &webrtc.MediaEngine{}
	if strings.Contains(what, "pcmu") {
		check(engine.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000},
			PayloadType:        0}, webrtc.RTPCodecTypeAudio))
	} else {
		check(engine.RegisterDefaultCodecs())
	}
	registry := &interceptor.Registry{}
	check(webrtc.RegisterDefaultInterceptors(engine, registry))
	settings := webrtc.SettingEngine{}
	if strings.Contains(what, "tcp") {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings))
}

func offer(peer *webrtc.PeerConnection, restart bool) string {
	gathered := webrtc.GatheringCompletePromise(peer)
	description, err := peer.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	check(err)
	check(peer.SetLocalDescription(description))
	<-gathered
	return peer.LocalDescription().SDP
}

func packets(path string) [][]byte {
	data, err := os.ReadFile(path)
	check(err)
	var list [][]byte
	for len(data) >= 2 {
		size := int(binary.BigEndian.Uint16(data))
		list = append(list, data[2:2+size])
		data = data[2+size:]
	}
	return list
}

// The microphone: one packet every 20 ms, silence when there is nothing to say.
func speak(track *webrtc.TrackLocalStaticSample, said <-chan [][]byte, silence []byte) {
	var queue [][]byte
	for range time.Tick(frame) {
		select {
		case more := <-said:
			queue = append(queue, more...)
		default:
		}
		payload := silence
		if len(queue) > 0 {
			payload, queue = queue[0], queue[1:]
			if len(queue) == 0 {
				put(map[string]interface{}{"said": true})
			}
		}
		_ = track.WriteSample(media.Sample{Data: payload, Duration: frame})
	}
}

func hear(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		put(map[string]interface{}{"rtp": []interface{}{packet.SequenceNumber, packet.Timestamp, packet.PayloadType,
			base64.StdEncoding.EncodeToString(packet.Payload)}})
	}
}

func main() {
	what := os.Args[2]
	peer, err := api(what).NewPeerConnection(webrtc.Configuration{})
	check(err)
	mime, silence := webrtc.MimeTypeOpus, []byte{0xf8, 0xff, 0xfe}
	if strings.Contains(what, "pcmu") {
		mime, silence = webrtc.MimeTypePCMU, []byte(strings.Repeat("\xff", 160))
	}
	said := make(chan [][]byte, 16)
	if strings.Contains(what, "audio") {
		track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, "audio", "caller")
		check(err)
		_, err = peer.AddTrack(track)
		check(err)
		go speak(track, said, silence)
	}
	if strings.Contains(what, "video") {
		_, err = peer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo)
		check(err)
	}
	var channel *webrtc.DataChannel
	if strings.Contains(what, "data") {
		channel, err = peer.CreateDataChannel("oai-events", nil)
		check(err)
		channel.OnOpen(func() { put(map[string]interface{}{"channel": "open"}) })
		channel.OnClose(func() { put(map[string]interface{}{"channel": "closed"}) })
		channel.OnMessage(func(m webrtc.DataChannelMessage) {
			put(map[string]interface{}{"event": string(m.Data), "text": m.IsString})
		})
	}
	peer.OnTrack(hear)
	peer.OnConnectionStateChange(func(s webrtc.PeerConnectionState) { put(map[string]interface{}{"state": s.String()}) })
	first := offer(peer, false)
	if os.Args[1] == "offer" {
		fmt.Print(first)
		return
	}
	put(map[string]interface{}{"offer": first})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var c command
		check(json.Unmarshal(lines.Bytes(), &c))
		switch {
		case c.Answer != "":
			check(peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.Answer}))
		case c.Say != "":
			said <- packets(c.Say)
		case c.Send != "":
			check(channel.SendText(c.Send))
		case c.Restart:
			put(map[string]interface{}{"offer": offer(peer, true)})
		case c.Close:
			check(peer.Close())
			return
		}
	}
}
