// Renders a chart the way `helm template` does, as far as our chart goes: Go's own templates with
// sprig and the functions that Helm adds. There is no helm in the distribution; what this leaves
// out (hooks, dependencies, lookup, tpl) the chart does not use, and rendering fails on it.
//
//	render CHART < {"values": {...}, "release": "name", "namespace": "name"}
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type input struct {
	Values    map[string]interface{} `json:"values"`
	Release   string                 `json:"release"`
	Namespace string                 `json:"namespace"`
}

type files struct{ folder string }

// Get is `.Files.Get`.
func (f files) Get(name string) string {
	content, err := os.ReadFile(filepath.Join(f.folder, name))
	if err != nil {
		return ""
	}
	return string(content)
}

func main() {
	if err := render(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(folder string) error {
	var given input
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return err
	}
	chart, err := metadata(folder)
	if err != nil {
		return err
	}
	set := template.New("chart").Option("missingkey=zero")
	set.Funcs(functions(set))
	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := set.New(filepath.Base(path)).Parse(string(content)); err != nil {
			return err
		}
	}
	data := map[string]interface{}{
		"Values":  given.Values,
		"Chart":   chart,
		"Files":   files{folder},
		"Release": map[string]interface{}{"Name": given.Release, "Namespace": given.Namespace, "Service": "Helm"},
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var text strings.Builder
		if err := set.ExecuteTemplate(&text, name, data); err != nil {
			return err
		}
		// As in Helm, where a missing value leaves no trace.
		fmt.Printf("---\n# Source: %s\n%s\n", name, strings.ReplaceAll(text.String(), "<no value>", ""))
	}
	return nil
}

// metadata is Chart.yaml with the names that templates know it by.
func metadata(folder string) (map[string]interface{}, error) {
	content, err := os.ReadFile(filepath.Join(folder, "Chart.yaml"))
	if err != nil {
		return nil, err
	}
	var plain map[string]interface{}
	err = yaml.Unmarshal(content, &plain)
	return map[string]interface{}{"Name": plain["name"], "Version": plain["version"], "AppVersion": plain["appVersion"]}, err
}

func functions(set *template.Template) template.FuncMap {
	all := sprig.TxtFuncMap()
	delete(all, "env")
	delete(all, "expandenv")
	all["include"] = func(name string, data interface{}) (string, error) {
		var text strings.Builder
		err := set.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	all["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	all["fromYaml"] = func(text string) (map[string]interface{}, error) {
		value := map[string]interface{}{}
		return value, yaml.Unmarshal([]byte(text), &value)
	}
	all["required"] = func(why string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(why)
		}
		return value, nil
	}
	return all
}
