// What the examples of the protocol reference are tried with beside the text protocol: the Go client of NATS, as Debian has it.
//
// Each line of standard input is a request {"subject", "body", "headers", "until": "one" | "empty" | "silence"}; each line of standard output
// the messages it got, [{"headers", "payload" in base64}].
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

type asked struct {
	Subject string            `json:"subject"`
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
	Until   string            `json:"until"`
}

type answer struct {
	Headers map[string]string `json:"headers"`
	Payload []byte            `json:"payload"`
}

func main() {
	connection, err := nats.Connect(os.Getenv("NATS_URL"), nats.UserInfo(os.Getenv("NATS_USER"), os.Getenv("NATS_PASSWORD")))
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var request asked
		if err := json.Unmarshal(line, &request); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(connection, request)); err != nil {
			panic(err)
		}
	}
}

func ask(connection *nats.Conn, request asked) []answer {
	inbox := connection.NewRespInbox()
	heard, err := connection.SubscribeSync(inbox)
	if err != nil {
		panic(err)
	}
	defer heard.Unsubscribe()
	message := nats.NewMsg(request.Subject)
	message.Reply = inbox
	message.Data = []byte(request.Body)
	for name, value := range request.Headers {
		message.Header.Set(name, value)
	}
	if err := connection.PublishMsg(message); err != nil {
		panic(err)
	}
	answers := []answer{}
	patience := 30 * time.Second
	for {
		got, err := heard.NextMsg(patience)
		if err != nil {
			return answers
		}
		headers := map[string]string{}
		for name := range got.Header {
			headers[name] = got.Header.Get(name)
		}
		answers = append(answers, answer{headers, got.Data})
		if request.Until == "one" || (request.Until == "empty" && len(got.Data) == 0) {
			return answers
		}
		if request.Until == "silence" {
			patience = time.Second
		}
	}
}
